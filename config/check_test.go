package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // for a machine without time zones

	"github.com/google/go-cmp/cmp"
)

// zones is a file's list of Availability Zones from line 3 on: each name, public and private range.
func zones(rows ...[3]string) string {
	var s strings.Builder
	s.WriteString("network:\n  availabilityZones:\n")
	for _, row := range rows {
		s.WriteString("    - name: " + row[0] + "\n      publicCidr: " + row[1] + "\n      privateCidr: " + row[2] + "\n")
	}
	return s.String()
}

const managedRuleNames = "AWSManagedIPDDoSList, AWSManagedIPReputationList, AWSManagedReconnaissanceList, CrossSiteScripting_BODY, " +
	"CrossSiteScripting_COOKIE, CrossSiteScripting_QUERYARGUMENTS, CrossSiteScripting_URIPATH, EC2MetaDataSSRF_BODY, EC2MetaDataSSRF_COOKIE, " +
	"EC2MetaDataSSRF_QUERYARGUMENTS, EC2MetaDataSSRF_URIPATH, ExploitablePaths_URIPATH, GenericLFI_BODY, GenericLFI_QUERYARGUMENTS, " +
	"GenericLFI_URIPATH, GenericRFI_BODY, GenericRFI_QUERYARGUMENTS, GenericRFI_URIPATH, Host_localhost_HEADER, JavaDeserializationRCE_BODY, " +
	"JavaDeserializationRCE_HEADER, JavaDeserializationRCE_QUERYSTRING, JavaDeserializationRCE_URIPATH, Log4JRCE_BODY, Log4JRCE_HEADER, " +
	"Log4JRCE_QUERYSTRING, Log4JRCE_URIPATH, NoUserAgent_HEADER, PROPFIND_METHOD, ReactJSRCE_BODY, RestrictedExtensions_QUERYARGUMENTS, " +
	"RestrictedExtensions_URIPATH, SQLiExtendedPatterns_BODY, SQLiExtendedPatterns_QUERYARGUMENTS, SQLi_BODY, SQLi_COOKIE, SQLi_QUERYARGUMENTS, " +
	"SQLi_URIPATH, SizeRestrictions_BODY, SizeRestrictions_Cookie_HEADER, SizeRestrictions_QUERYSTRING, SizeRestrictions_URIPATH, " +
	"UserAgent_BadBots_HEADER"

func TestRulesAcrossKeysNameThePosition(t *testing.T) {
	a := [3]string{"eu-west-1a", "10.0.1.0/24", "10.0.3.0/24"} // on the lines 4 to 6
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"a zone of another region": {account + zones(a, [3]string{"eu-west-2b", "10.0.2.0/24", "10.0.4.0/24"}), []string{
			`x.yaml:9:13: network.availabilityZones[1].name: "eu-west-2b" is not an Availability Zone of the region, the default eu-west-1`,
		}},
		"a region whose zones only the defaults give": {account + "region: eu-west-2\n", []string{
			`x.yaml:1:1: network.availabilityZones[0].name: the default "eu-west-1a" is not an Availability Zone of the region, eu-west-2`,
			`x.yaml:1:1: network.availabilityZones[1].name: the default "eu-west-1b" is not an Availability Zone of the region, eu-west-2`,
		}},
		"a duplicate zone": {account + zones(a, [3]string{"eu-west-1a", "10.0.2.0/24", "10.0.4.0/24"}), []string{
			`x.yaml:9:13: network.availabilityZones[1].name: "eu-west-1a" is duplicated; it is also item 1`,
		}},
		"subnets that overlap": {account + zones(a, [3]string{"eu-west-1b", "10.0.2.0/24", "10.0.0.0/22"}), []string{
			"x.yaml:11:20: network.availabilityZones[1].privateCidr: 10.0.0.0/22 overlaps 10.0.1.0/24 of network.availabilityZones[0].publicCidr",
			"x.yaml:11:20: network.availabilityZones[1].privateCidr: 10.0.0.0/22 overlaps 10.0.3.0/24 of network.availabilityZones[0].privateCidr",
			"x.yaml:11:20: network.availabilityZones[1].privateCidr: 10.0.0.0/22 overlaps 10.0.2.0/24 of network.availabilityZones[1].publicCidr",
		}},
		"a subnet outside the VPC": {account + zones(a, [3]string{"eu-west-1b", "10.1.2.0/24", "10.0.4.0/24"}), []string{
			"x.yaml:10:19: network.availabilityZones[1].publicCidr: 10.1.2.0/24 is not inside the VPC's range, the default 10.0.0.0/16",
		}},
		"a subnet that is too small": {account + zones(a, [3]string{"eu-west-1b", "10.0.2.0/29", "10.0.4.0/24"}), []string{
			"x.yaml:10:19: network.availabilityZones[1].publicCidr: 10.0.2.0/29 has a /29 netmask; allowed: /16 to /28",
		}},
		"a VPC that is too large": {account + "network: {cidr: 10.0.0.0/15}\n", []string{
			"x.yaml:4:17: network.cidr: 10.0.0.0/15 has a /15 netmask; allowed: /16 to /28",
		}},
		"a VPC that the default subnets are not in": {account + "network:\n  cidr: 10.1.0.0/16\n", []string{
			"x.yaml:5:3: network.availabilityZones[0].publicCidr: the default 10.0.1.0/24 is not inside the VPC's range, 10.1.0.0/16",
			"x.yaml:5:3: network.availabilityZones[0].privateCidr: the default 10.0.3.0/24 is not inside the VPC's range, 10.1.0.0/16",
			"x.yaml:5:3: network.availabilityZones[1].publicCidr: the default 10.0.2.0/24 is not inside the VPC's range, 10.1.0.0/16",
			"x.yaml:5:3: network.availabilityZones[1].privateCidr: the default 10.0.4.0/24 is not inside the VPC's range, 10.1.0.0/16",
		}},
		"no egress": {account + "network: {natGateways: none}\n", []string{
			`x.yaml:4:24: network.natGateways: "none" gives the instances no route to ECR, CloudWatch and Systems Manager; set network.interfaceEndpoints to true, or use single or per-az`,
		}},
		"SSH from the internet": {account + "network: {sshCidrs: [192.0.2.0/24, 0.0.0.0/0]}\n", []string{
			`x.yaml:4:36: network.sshCidrs[1]: "0.0.0.0/0" opens SSH to the internet; allowed: the ranges of your own networks, /8 or smaller`,
		}},
		"a minimum above the maximum": {account + "backend:\n  minSize: 6\n", []string{
			"x.yaml:5:12: backend.minSize: 6 is more than maxSize, the default 5",
		}},
		"a capacity below the minimum": {account + "backend:\n  desiredCapacity: 1\n", []string{
			"x.yaml:5:20: backend.desiredCapacity: 1 is not between minSize, the default 2, and maxSize, the default 5",
		}},
		"a capacity above a maximum in the file": {account + "backend:\n  minSize: 1\n  maxSize: 1\n", []string{
			"x.yaml:5:3: backend.desiredCapacity: the default 2 is not between minSize, 1, and maxSize, 1",
		}},
		"a processor that the images are not built for": {account + "backend: {instanceType: t4g.micro}\n", []string{
			`x.yaml:4:25: backend.instanceType: "t4g.micro" has an arm64 processor; allowed: x86_64 types, which the backend's images are built for`,
		}},
		"together with what the schema refuses elsewhere": {account + "backend: {minSize: 9}\ncache: {replicas: x}\n", []string{
			`x.yaml:4:20: backend.minSize: 9 is more than maxSize, the default 5`,
			`x.yaml:5:19: cache.replicas: "x" is a string, not an integer`,
		}},
		"deep nesting": {account + "network: " + strings.Repeat("[", 400) + strings.Repeat("]", 400) + "\n", []string{
			"x.yaml:4:342: is nested too deeply; the deepest key of an environment is network.availabilityZones[0].name",
		}},
		"windows that overlap": {account + "cache:\n  maintenanceWindow: sun:23:30-mon:00:30\n  snapshotWindow: 00:00-01:00\n", []string{
			`x.yaml:6:19: cache.snapshotWindow: "00:00-01:00" overlaps the maintenance window, "sun:23:30-mon:00:30"`,
		}},
		"SSH from the halves of the internet": {account + "network:\n  sshCidrs: [0.0.0.0/1, 128.0.0.0/1]\n", []string{
			`x.yaml:5:14: network.sshCidrs[0]: "0.0.0.0/1" opens SSH to the internet; allowed: the ranges of your own networks, /8 or smaller`,
			`x.yaml:5:25: network.sshCidrs[1]: "128.0.0.0/1" opens SSH to the internet; allowed: the ranges of your own networks, /8 or smaller`,
		}},
		"an API path that matches the page": {account + "frontend: {apiPaths: [\"/*.html\"]}\n", []string{
			`x.yaml:4:23: frontend.apiPaths[0]: "/*.html" matches /index.html, which is a file of the frontend; allowed: paths of the API`,
		}},
		"addresses that differ only in punctuation": {account + "monitoring: {alarmEmails: [a.b@x.io, a_b@x.io]}\n", []string{
			`x.yaml:4:38: monitoring.alarmEmails[1]: "a_b@x.io" differs from item 1 only in punctuation`,
		}},
		"an arm64 processor": {account + "backend: {instanceType: t4g.micro}\n", []string{
			`x.yaml:4:25: backend.instanceType: "t4g.micro" has an arm64 processor; allowed: x86_64 types, which the backend's images are built for`,
		}},
		"an image of another service": {account + "backend: {imageId: img-12345678}\n", []string{
			`x.yaml:4:20: backend.imageId: "img-12345678" does not match ^ami-[0-9a-f]{8}([0-9a-f]{9})?$ (Pinned AMI, of amazonLinux and x86_64, for the way back from a bad image)`,
		}},
		"Terraform's template syntax": {"account: \"123456789012\"\nrepository: a/${b}\napplicationRepository: a/b\n", []string{
			`x.yaml:2:13: repository: "a/${b}" contains Terraform's template syntax; write the value itself`,
		}},
		"a repository as an address to clone": {"account: \"123456789012\"\nrepository: a/b.git\napplicationRepository: a/b\n", []string{
			`x.yaml:2:13: repository: "a/b.git" ends with .git; allowed: OWNER/NAME, as in GitHub's tokens`,
		}},
		"the placeholders of the repositories in an account of AWS": {"account: \"210987654321\"\nrepository: your-organization/infrastructure\napplicationRepository: your-organization/application\n", []string{
			`x.yaml:2:13: repository: "your-organization/infrastructure" is the placeholder; in account 210987654321, name your own repository`,
			`x.yaml:3:24: applicationRepository: "your-organization/application" is the placeholder; in account 210987654321, name your own repository`,
		}},
		"an account that is no number, with the placeholder of a repository": {"account: \"x\"\nrepository: your-organization/infrastructure\napplicationRepository: a/b\n", []string{
			`x.yaml:1:10: account: "x" does not match ^[0-9]{12}$ (The AWS account that this environment lives in, in quotes)`,
		}},
		"a schedule that is none": {account + "schedule:\n  actions:\n    - {name: a, recurrence: 0 25 * * *, minSize: 3}\n    - {name: a, recurrence: 0 1 * * *, timeZone: Europe/Dubln, minSize: 9}\n    - {name: c, minSize: 3}\n    - {name: d, recurrence: 0 1 * * *}\n    - {name: e, startTime: \"2099-13-01T00:00:00Z\", endTime: \"2099-12-01T00:00:00Z\", minSize: 4, maxSize: 3}\n", []string{
			`x.yaml:6:29: schedule.actions[0].recurrence: "0 25 * * *" is not a schedule of cron; allowed: minute, hour, day of the month, month and day of the week, as 0 8 * * MON-FRI`,
			`x.yaml:7:14: schedule.actions[1].name: "a" is duplicated; it is also item 1`,
			`x.yaml:7:50: schedule.actions[1].timeZone: "Europe/Dubln" is not a time zone; allowed: names of the IANA Time Zone Database, as Europe/Dublin`,
			`x.yaml:7:73: schedule.actions[1].minSize: 9 is not between backend.minSize, the default 2, and backend.maxSize, the default 5`,
			`x.yaml:8:7: schedule.actions[2]: "c" needs either recurrence or startTime`,
			`x.yaml:9:7: schedule.actions[3]: "d" has no size; set minSize, maxSize or desiredCapacity`,
			`x.yaml:10:7: schedule.actions[4]: "e" has startTime, so it is performed once; timeZone and endTime belong to recurrence`,
			`x.yaml:10:28: schedule.actions[4].startTime: "2099-13-01T00:00:00Z" is not a time; allowed: YYYY-MM-DDThh:mm:ssZ`,
			`x.yaml:10:94: schedule.actions[4].minSize: 4 is more than the action's maxSize, 3`,
		}},
		"backups that AWS refuses": {account + "backup:\n  schedule: cron(0 25 * * ? *)\n  retentionDays: 10\n  copyToRegion: eu-west-1\n  vaultLock: {mode: compliance, minRetentionDays: 20, maxRetentionDays: 30}\n", []string{
			`x.yaml:5:3: backup.copyRetentionDays: the default 35 is more than vaultLock.maxRetentionDays, 30; the vault would refuse every backup`,
			`x.yaml:5:13: backup.schedule: "cron(0 25 * * ? *)" is not a schedule of AWS Backup; allowed: cron(MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK *) with ? as one of the two days, as cron(0 2 ? * MON-FRI *)`,
			`x.yaml:6:18: backup.retentionDays: 10 is less than vaultLock.minRetentionDays, 20; the vault would refuse every backup`,
			`x.yaml:7:17: backup.copyToRegion: "eu-west-1" is the region of the environment; allowed: another one`,
			`x.yaml:8:14: backup.vaultLock: compliance needs graceDays, at least 3`,
		}},
		"backups with two days, of another partition, with a grace of governance": {account + "backup:\n  schedule: cron(0 2 * * MON *)\n  copyToRegion: us-gov-west-1\n  vaultLock: {mode: governance, minRetentionDays: 30, maxRetentionDays: 20, graceDays: 3}\n", []string{
			`x.yaml:5:13: backup.schedule: "cron(0 2 * * MON *)" is not a schedule of AWS Backup; allowed: cron(MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK *) with ? as one of the two days, as cron(0 2 ? * MON-FRI *)`,
			`x.yaml:6:17: backup.copyToRegion: "us-gov-west-1" is in another partition than aws; allowed: regions of the partition aws, as eu-central-1`,
			`x.yaml:7:51: backup.vaultLock.minRetentionDays: 30 is more than maxRetentionDays, 20`,
			`x.yaml:7:88: backup.vaultLock.graceDays: 3 is not allowed with governance, which can be removed at any time`,
		}},
		"backups once a week": {account + "backup:\n  schedule: cron(0 2 ? * 1 *)\n", []string{
			`x.yaml:5:13: backup.schedule: "cron(0 2 ? * 1 *)" has up to 7 days between two backups; the maximum is 6`,
		}},
		"backups every ten minutes, and in cold storage": {account + "backup:\n  schedule: cron(0/10 * * * ? *)\n  coldStorageAfterDays: 30\n", []string{
			`x.yaml:5:13: backup.schedule: "cron(0/10 * * * ? *)" does not match ^cron\([0-5]?[0-9]( [0-9A-Z?*,/#-]+){4} \*\)$ (When a backup starts, in UTC, at least every six days and at most every hour)`,
			`x.yaml:6:3: backup.coldStorageAfterDays: unknown key; allowed: copyRetentionDays, copyToRegion, kmsKey, retentionDays, schedule, vaultLock`,
		}},
		"actions at one time": {account + "schedule:\n  actions:\n    - {name: a, startTime: \"2099-01-01T00:00:00Z\", minSize: 3}\n    - {name: b, startTime: \"2099-01-01T00:00:00Z\", maxSize: 4}\n" +
			"    - {name: c, recurrence: 0 8 * jan-mar MON-FRI, minSize: 3}\n    - {name: d, recurrence: \"00 08 * 1,2,3 1-5\", timeZone: UTC, maxSize: 4}\n" +
			"    - {name: e, recurrence: 0 8 * 1-3 1-5, timeZone: Europe/Dublin, maxSize: 4}\n    - {name: f, recurrence: 0 8 * * 0, maxSize: 4}\n    - {name: g, recurrence: 0 8 * * 7, maxSize: 4}\n", []string{
			`x.yaml:7:28: schedule.actions[1].startTime: "2099-01-01T00:00:00Z" is the time of item 1 as well; AWS refuses two actions at one time, or performs them in any order`,
			`x.yaml:9:29: schedule.actions[3].recurrence: "00 08 * 1,2,3 1-5" is the time of item 3 as well; AWS refuses two actions at one time, or performs them in any order`,
			`x.yaml:12:29: schedule.actions[6].recurrence: "0 8 * * 7" is the time of item 6 as well; AWS refuses two actions at one time, or performs them in any order`,
		}},
		"a schedule for the 31st of February": {account + "schedule: {actions: [{name: a, recurrence: \"0 0 30,31 2 *\", minSize: 3}]}\n", []string{
			`x.yaml:4:44: schedule.actions[0].recurrence: "0 0 30,31 2 *" never comes; allowed: a day that one of its months has`,
		}},
		"a last snapshot that exists": {account + "cache: {restoreFrom: old, finalSnapshot: old}\n", []string{
			`x.yaml:4:42: cache.finalSnapshot: "old" is the snapshot of restoreFrom, which exists; AWS refuses the destroy: name a new one`,
		}},
		"a state with nothing": {account + "state: {}\n", []string{
			"x.yaml:4:8: state.lock: missing; What locks a state while Terraform changes it: dynamodb, an item of the lock table; s3, an object beside the state; both, on the way from one to the other.",
		}},
		"a lock that there is not": {account + "state: {lock: file}\n", []string{
			`x.yaml:4:15: state.lock: "file" is not one of dynamodb, both, s3`,
		}},
		"a database with nothing": {account + "database: {}\n", []string{
			"x.yaml:4:11: database: the block has neither privateLink nor peering; set at least one of them",
		}},
		"PrivateLink in another region": {account + "database: {privateLink: {serviceName: com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0}}\n", []string{
			`x.yaml:4:39: database.privateLink.serviceName: "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0" is a service in us-east-1; allowed: one in the region, the default eu-west-1`,
		}},
		"PrivateLink to AWS's own service": {account + "database: {privateLink: {serviceName: com.amazonaws.eu-west-1.s3}}\n", []string{
			`x.yaml:4:39: database.privateLink.serviceName: "com.amazonaws.eu-west-1.s3" does not match ^com\.amazonaws\.vpce\.[a-z]{2,4}(-[a-z]+)+-[0-9]\.vpce-svc-[0-9a-f]{8}([0-9a-f]{9})?$ (Name of the endpoint service, which Atlas shows for its private endpoint)`,
		}},
		"a peering without the Atlas CIDR": {account + "database: {peering: {connectionId: pcx-0123456789abcdef0}}\n", []string{
			"x.yaml:4:21: database.peering.cidr: missing; IPv4 range of Atlas's VPC, the Atlas CIDR.",
		}},
		"a peering with the VPC's own range": {account + "database: {peering: {connectionId: pcx-0123456789abcdef0, cidr: 10.0.8.0/21}}\n", []string{
			"x.yaml:4:65: database.peering.cidr: 10.0.8.0/21 overlaps the VPC's range, the default 10.0.0.0/16; AWS refuses the peering: use another Atlas CIDR",
		}},
		"a peering with a public range": {account + "database: {peering: {connectionId: pcx-0123456789abcdef0, cidr: 8.8.8.0/24}}\n", []string{
			"x.yaml:4:65: database.peering.cidr: 8.8.8.0/24 is not an Atlas CIDR; allowed: /21 to /24 in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
		}},
		"a peering with a range that is too large": {account + "database: {peering: {connectionId: pcx-0123456789abcdef0, cidr: 192.168.0.0/20}}\n", []string{
			"x.yaml:4:65: database.peering.cidr: 192.168.0.0/20 is not an Atlas CIDR; allowed: /21 to /24 in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
		}},
		"instance types that do not fit": {account + "backend: {spotPercent: 50, instanceTypes: [t3.micro, t3a.small, c7g.micro, m5.micro, t2.micro]}\n", []string{
			`x.yaml:4:44: backend.instanceTypes[0]: "t3.micro" is instanceType already`,
			`x.yaml:4:54: backend.instanceTypes[1]: "t3a.small" is not of the size of instanceType, the default t3.micro; the group counts instances and has no weights, so all are of one size`,
			`x.yaml:4:65: backend.instanceTypes[2]: "c7g.micro" has an arm64 processor; allowed: x86_64 types, which the backend's images are built for`,
			`x.yaml:4:76: backend.instanceTypes[3]: "m5.micro" and instanceType, the default t3.micro, do not both have CPU credits, which cpuCredits sets for the whole group`,
		}},
		"an instance type with credits beside one without": {account + "backend: {spotPercent: 50, instanceType: m5.large, instanceTypes: [t3.large]}\n", []string{
			`x.yaml:4:68: backend.instanceTypes[0]: "t3.large" and instanceType, m5.large, do not both have CPU credits, which cpuCredits sets for the whole group`,
		}},
		"instance types without Spot Instances": {account + "backend: {instanceTypes: [t3a.micro]}\n", []string{
			`x.yaml:4:26: backend.instanceTypes: without Spot Instances, all instances are of instanceType; set spotPercent, or remove the key`,
		}},
		"an agent that reaches nothing": {account + "network: {natGateways: none, interfaceEndpoints: true}\nbackend: {instanceMetrics: true}\ntracing: {}\nsecrets: {}\n", []string{
			`x.yaml:5:28: backend.instanceMetrics: the instances have no route to CloudWatch, because network.natGateways is "none"; use single or per-az`,
			`x.yaml:6:10: tracing: the instances have no route to X-Ray, because network.natGateways is "none"; use single or per-az`,
			`x.yaml:7:10: secrets: the instances have no route to Secrets Manager, because network.natGateways is "none"; use single or per-az`,
		}},
		"settings of a detector that is managed elsewhere": {account + "guardDuty:\n  detector: existing\n  protections: [S3_DATA_EVENTS]\n  runtimeAgents: []\n  findingPublishingFrequency: ONE_HOUR\n", []string{
			"x.yaml:6:16: guardDuty.protections: detector is existing, so its settings are managed elsewhere; remove this key, or set detector: create",
			"x.yaml:7:18: guardDuty.runtimeAgents: detector is existing, so its settings are managed elsewhere; remove this key, or set detector: create",
			"x.yaml:8:31: guardDuty.findingPublishingFrequency: detector is existing, so its settings are managed elsewhere; remove this key, or set detector: create",
		}},
		"agents without runtime monitoring": {account + "guardDuty: {detector: create, protections: [S3_DATA_EVENTS], runtimeAgents: [EC2_AGENT_MANAGEMENT]}\n", []string{
			"x.yaml:4:77: guardDuty.runtimeAgents: the agents are those of RUNTIME_MONITORING, which is not in protections; add it, or remove the agents",
		}},
		"a part of runtime monitoring beside it": {account + "guardDuty: {detector: create, protections: [RUNTIME_MONITORING, EKS_RUNTIME_MONITORING]}\n", []string{
			`x.yaml:4:65: guardDuty.protections[1]: "EKS_RUNTIME_MONITORING" is not one of S3_DATA_EVENTS, EKS_AUDIT_LOGS, EBS_MALWARE_PROTECTION, RDS_LOGIN_EVENTS, LAMBDA_NETWORK_LOGS, RUNTIME_MONITORING`,
		}},
		"a detector without a word on who manages it": {account + "guardDuty: {}\n", []string{
			"x.yaml:4:12: guardDuty.detector: missing; The account's detector, of which a region has one. create: bootstrap creates it. existing: it is managed elsewhere, for example by the organization; only the notifications are created.",
		}},
		"a budget that is none": {account + "budget: {monthlyUsd: 0, emails: [], costs: tag}\n", []string{
			"x.yaml:4:22: budget.monthlyUsd: 0 is below the minimum, 1",
			"x.yaml:4:33: budget.emails: has 0 items; the minimum is 1",
			`x.yaml:4:44: budget.costs: "tag" is not one of account, project`,
		}},
		"a monitor of another account": {account + "budget: {monthlyUsd: 1, emails: [a@x.io], anomalies: {thresholdUsd: 5, monitorArn: \"arn:aws:ce::999999999999:anomalymonitor/m\"}}\n", []string{
			`x.yaml:4:84: budget.anomalies.monitorArn: "arn:aws:ce::999999999999:anomalymonitor/m" is of account 999999999999; allowed: a monitor of this account, 123456789012`,
		}},
		"authentication of Redis without its secret and without TLS": {account + "cache: {auth: true}\n", []string{
			`x.yaml:4:15: cache.auth: the password is a rotated secret; set secrets as well, or remove auth`,
			`x.yaml:4:15: cache.auth: the password needs TLS; set transitEncryption, the default "preferred", to required`,
		}},
		"a rotation that AWS does not have": {account + "secrets: {rotationDays: 0}\n", []string{
			`x.yaml:4:25: secrets.rotationDays: 0 is below the minimum, 1`,
		}},
		"a version of the other engine": {account + "cache: {engine: valkey, engineVersion: \"7.1\"}\n", []string{
			`x.yaml:4:40: cache.engineVersion: "7.1" is not a version of valkey; allowed: 7.2, 8.0, 8.1, 8.2`,
		}},
		"a version of Valkey without the engine": {account + "cache: {engineVersion: \"8.0\", nodeType: cache.r3.large}\n", []string{
			`x.yaml:4:24: cache.engineVersion: "8.0" is not a version of redis; allowed: 7.0, 7.1`,
			`x.yaml:4:41: cache.nodeType: "cache.r3.large" is of a previous generation, of which AWS creates no new nodes; allowed: current ones, as cache.t4g.micro`,
		}},
		"nodes with an SSD": {account + "cache: {nodeType: cache.r6gd.xlarge}\n", []string{
			`x.yaml:4:19: cache.nodeType: "cache.r6gd.xlarge" needs data tiering, which this project does not have; allowed: types without an SSD, as cache.r6g.large`,
		}},
		"an automatic snapshot": {account + "cache: {restoreFrom: automatic.starttech-a-redis-2026-11-26-01-00}\n", []string{
			`x.yaml:4:22: cache.restoreFrom: "automatic.starttech-a-redis-2026-11-26-01-00" does not match ^[a-z][a-z0-9]*(-[a-z0-9]+)*$ (Snapshot that Redis was created from)`,
		}},
		"a firewall without a destination of its logs": {account + "firewall: {logs: {requests: all}}\n", []string{
			`x.yaml:4:18: firewall.logs.retentionDays: missing; Days that the two log groups, which are the destination, keep the logs.`,
		}},
		"a firewall whose logs are a switch": {account + "firewall: {logs: true}\n", []string{
			`x.yaml:4:18: firewall.logs: true is a boolean, not a map of keys`,
		}},
		"a firewall with values that AWS does not have": {account + "firewall:\n  mode: off\n  rateLimit: 5\n  overrides:\n    - {rule: SizeRestrictions_Body, action: count}\n    - {rule: SQLi_BODY, action: captcha}\n", []string{
			`x.yaml:5:9: firewall.mode: "off" is not one of count, block`,
			`x.yaml:6:14: firewall.rateLimit: 5 is below the minimum, 10`,
			`x.yaml:9:33: firewall.overrides[1].action: "captcha" is not one of allow, block, count`,
		}},
		"overrides that AWS would ignore": {account + "firewall:\n  overrides:\n    - {rule: SizeRestrictions_Body, action: count}\n    - {rule: SQLi_BODY, action: count}\n    - {rule: SQLi_BODY, action: block}\n", []string{
			`x.yaml:6:14: firewall.overrides[0].rule: "SizeRestrictions_Body" is not a rule of the managed rule groups; allowed: ` + managedRuleNames,
			`x.yaml:8:14: firewall.overrides[2].rule: "SQLi_BODY" is duplicated; it is also item 2`,
		}},
		"a subscription without a word on its price": {account + "shield: {subscription: create}\n", []string{
			`x.yaml:4:24: shield.subscription: "create" commits the account to 3,000 USD a month for a year; to accept that, set acceptPriceAndCommitment: "yes, 3000 USD a month for a year"`,
		}},
		"a subscription with another word on its price": {account + "shield: {subscription: create, acceptPriceAndCommitment: yes}\n", []string{
			`x.yaml:4:58: shield.acceptPriceAndCommitment: "yes" does not accept the price; allowed: "yes, 3000 USD a month for a year"`,
		}},
		"a block without a word on who subscribes": {account + "shield: {}\n", []string{
			"x.yaml:4:9: shield.subscription: missing; Subscription of the account. create: bootstrap subscribes. existing: the account is subscribed already, for example with its organization. An organization pays for one subscription.",
		}},
		"windows of less than an hour": {account + "cache:\n  maintenanceWindow: sun:23:30-mon:00:29\n  snapshotWindow: 13:30-14:29\n", []string{
			`x.yaml:5:22: cache.maintenanceWindow: "sun:23:30-mon:00:29" is 59m0s long; the minimum is 1h`,
			`x.yaml:6:19: cache.snapshotWindow: "13:30-14:29" is 59m0s long; the minimum is 1h`,
		}},
		"API paths that match files of the frontend": {account + "frontend:\n  apiPaths: [/*, /tasks, /assets/*]\n", []string{
			`x.yaml:5:14: frontend.apiPaths[0]: "/*" matches /, which is a file of the frontend; allowed: paths of the API`,
			`x.yaml:5:18: frontend.apiPaths[1]: "/tasks" is never used, because item 1, "/*", matches its paths before; allowed: the longer pattern first, or only "/*"`,
			`x.yaml:5:26: frontend.apiPaths[2]: "/assets/*" matches /assets/app.js, which is a file of the frontend; allowed: paths of the API`,
			`x.yaml:5:26: frontend.apiPaths[2]: "/assets/*" is never used, because item 1, "/*", matches its paths before; allowed: the longer pattern first, or only "/*"`,
		}},
		"storage classes that charge for longer": {account + "frontend:\n  oldVersionsStorageClass: GLACIER_IR\n", []string{
			`x.yaml:5:3: frontend.oldVersionRetentionDays: the default 90 is too short for GLACIER_IR: it charges for 90 days at least, which begin 30 days after a version is replaced; allowed: 120 or more`,
		}},
		"a storage class that needs 30 days before": {account + "frontend:\n  oldVersionsStorageClass: STANDARD_IA\n  oldVersionsStorageDays: 29\n  oldVersionRetentionDays: 58\n", []string{
			`x.yaml:6:27: frontend.oldVersionsStorageDays: 29 is too early for STANDARD_IA; the minimum is 30`,
			`x.yaml:7:28: frontend.oldVersionRetentionDays: 58 is too short for STANDARD_IA: it charges for 30 days at least, which begin 29 days after a version is replaced; allowed: 59 or more`,
		}},
		"a content security policy that browsers ignore": {account + "frontend:\n  contentSecurityPolicy: default-src self; script-source 'self'; default-src 'none'\n", []string{
			`x.yaml:5:26: frontend.contentSecurityPolicy: self has no quotes, so it is the name of a host; allowed: 'self'`,
			`x.yaml:5:26: frontend.contentSecurityPolicy: "script-source" is not a directive; allowed: base-uri, child-src, connect-src, default-src, font-src, form-action, frame-ancestors, frame-src, img-src, manifest-src, media-src, object-src, report-to, report-uri, require-trusted-types-for, sandbox, script-src, script-src-attr, script-src-elem, style-src, style-src-attr, style-src-elem, trusted-types, upgrade-insecure-requests, webrtc, worker-src`,
			`x.yaml:5:26: frontend.contentSecurityPolicy: "default-src" is duplicated; browsers ignore the second one`,
		}},
		"a content security policy of two lines": {account + "frontend:\n  contentSecurityPolicy: |\n    default-src 'self';\n    img-src *\n", []string{
			`x.yaml:5:26: frontend.contentSecurityPolicy: "default-src 'self';\nimg-src *\n" is not a content security policy; allowed: one line of directives with ; between them, each a name in lower case and its values, in ASCII and without commas, as default-src 'self'; img-src *`,
		}},
		"two content security policies": {account + "frontend:\n  contentSecurityPolicy: default-src 'self', img-src *\n", []string{
			`x.yaml:5:26: frontend.contentSecurityPolicy: "default-src 'self', img-src *" is not a content security policy; allowed: one line of directives with ; between them, each a name in lower case and its values, in ASCII and without commas, as default-src 'self'; img-src *`,
		}},
		"special ranges": {account + "network: {cidr: 127.0.0.0/16}\n", []string{
			"x.yaml:4:10: network.availabilityZones[0].publicCidr: the default 10.0.1.0/24 is not inside the VPC's range, 127.0.0.0/16",
			"x.yaml:4:10: network.availabilityZones[0].privateCidr: the default 10.0.3.0/24 is not inside the VPC's range, 127.0.0.0/16",
			"x.yaml:4:10: network.availabilityZones[1].publicCidr: the default 10.0.2.0/24 is not inside the VPC's range, 127.0.0.0/16",
			"x.yaml:4:10: network.availabilityZones[1].privateCidr: the default 10.0.4.0/24 is not inside the VPC's range, 127.0.0.0/16",
			"x.yaml:4:17: network.cidr: 127.0.0.0/16 overlaps 127.0.0.0/8 (loopback), which a VPC cannot use; allowed: a private range, 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
		}},
		"a public subnet that is too small for a load balancer": {account + zones(a, [3]string{"eu-west-1b", "10.0.2.0/28", "10.0.4.0/24"}), []string{
			"x.yaml:10:19: network.availabilityZones[1].publicCidr: 10.0.2.0/28 has a /28 netmask; a load balancer needs /27 or larger",
		}},
		"a private subnet that is too small for its instances": {account + zones(a, [3]string{"eu-west-1b", "10.0.2.0/24", "10.0.4.0/28"}) + "backend: {maxSize: 20}\n", []string{
			"x.yaml:11:20: network.availabilityZones[1].privateCidr: 10.0.4.0/28 has 16 addresses; it needs 21: 5 for AWS, 15 for instances (backend.maxSize is 20), the rest for Redis and interface endpoints",
		}},
		"a private subnet that is too small for a load balancer": {account + zones(a, [3]string{"eu-west-1b", "10.0.2.0/24", "10.0.4.0/28"}) + "  privateOrigin: true\nbackend: {maxSize: 20}\n", []string{
			"x.yaml:11:20: network.availabilityZones[1].privateCidr: 10.0.4.0/28 has a /28 netmask; a load balancer, which network.privateOrigin puts there, needs /27 or larger",
			"x.yaml:11:20: network.availabilityZones[1].privateCidr: 10.0.4.0/28 has 16 addresses; it needs 30: 5 for AWS, 15 for instances (backend.maxSize is 20), 9 for the private load balancer, the rest for Redis and interface endpoints",
		}},
		"another partition": {account + "region: cn-north-1\n" + zones([3]string{"cn-north-1a", "10.0.1.0/24", "10.0.3.0/24"}, [3]string{"cn-north-1b", "10.0.2.0/24", "10.0.4.0/24"}), []string{
			`x.yaml:4:9: region: "cn-north-1" is in another partition than aws; allowed: regions of the partition aws, as eu-west-1`,
		}},
		"the partition of the European Sovereign Cloud": {account + "region: eusc-de-east-1\n" + zones([3]string{"eusc-de-east-1a", "10.0.1.0/24", "10.0.3.0/24"}, [3]string{"eusc-de-east-1b", "10.0.2.0/24", "10.0.4.0/24"}), []string{
			`x.yaml:4:9: region: "eusc-de-east-1" is in another partition than aws; allowed: regions of the partition aws, as eu-west-1`,
		}},
		"a region that is newer than this list": {account + "region: eu-north-9\n" + zones([3]string{"eu-north-9a", "10.0.1.0/24", "10.0.3.0/24"}, [3]string{"eu-north-9b", "10.0.2.0/24", "10.0.4.0/24"}), []string{
			`x.yaml:1:1: frontend.originAccess: the default "oai" does not work in eu-north-9, as in every region since 2023; allowed: oac`,
		}},
		"a region without origin access identities": {account + "region: il-central-1\n" + zones([3]string{"il-central-1a", "10.0.1.0/24", "10.0.3.0/24"}, [3]string{"il-central-1b", "10.0.2.0/24", "10.0.4.0/24"}), []string{
			`x.yaml:1:1: frontend.originAccess: the default "oai" does not work in il-central-1, as in every region since 2023; allowed: oac`,
		}},
		"a domain with a part that is too long": {account + "domain: {name: " + strings.Repeat("a", 64) + ".io, hostedZoneId: Z1}\n", []string{
			`x.yaml:4:16: domain.name: "` + strings.Repeat("a", 64) + `.io" is 67 characters long; the maximum is 64`,
		}},
		"a domain without a zone": {account + "domain: {name: example.com}\n", []string{
			`x.yaml:4:9: domain: needs either hostedZoneId, the ID of a zone that exists, or createZone: true`,
		}},
		"a domain with two zones": {account + "domain: {name: www.example.com, hostedZoneId: Z1, createZone: true, www: true}\n", []string{
			`x.yaml:4:9: domain: needs either hostedZoneId, the ID of a zone that exists, or createZone: true`,
			`x.yaml:4:74: domain.www: "www.example.com" is a www name already; allowed: false, or name: example.com`,
		}},
		"an API path that an earlier one makes dead": {account + "frontend: {apiPaths: [/tasks*, /tasks/*, \"/a?\"]}\n", []string{
			`x.yaml:4:32: frontend.apiPaths[1]: "/tasks/*" is never used, because item 1, "/tasks*", matches its paths before; allowed: the longer pattern first, or only "/tasks*"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, problems("x.yaml", test.content)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRulesAllow(t *testing.T) {
	for name, content := range map[string]string{
		"the smallest subnets":                      zones([3]string{"eu-west-1a", "10.0.0.0/27", "10.0.0.32/28"}, [3]string{"eu-west-1b", "10.0.0.64/27", "10.0.0.96/28"}),
		"overlapping windows without snapshots":     "cache: {snapshotRetentionDays: 0, maintenanceWindow: \"sun:00:00-sun:02:00\", snapshotWindow: \"00:00-01:00\"}\n",
		"a top-level domain in punycode":            "domain: {name: app.example.xn--p1ai, hostedZoneId: Z1}\n",
		"every kind of policy":                      "frontend: {contentSecurityPolicy: \"default-src 'none'; script-src 'self' 'sha256-a+/=' https://*.example.com:443; img-src data: https:; upgrade-insecure-requests; sandbox allow-forms;\"}\n",
		"a policy without spaces":                   "frontend: {contentSecurityPolicy: \"default-src 'self';img-src data:\"}\n",
		"a policy with an end":                      "frontend: {contentSecurityPolicy: \"default-src 'self'; \"}\n",
		"a policy that YAML folds":                  "frontend:\n  contentSecurityPolicy: >\n    default-src 'self';\n    img-src data:\n",
		"the shortest retention of a storage class": "frontend: {oldVersionsStorageClass: STANDARD_IA, oldVersionRetentionDays: 60}\n",
		"a longer API path first":                   "frontend: {apiPaths: [/tasks/new, /tasks/*, \"/b?\", /b*]}\n",
		"another region": "region: ap-southeast-2\n" +
			zones([3]string{"ap-southeast-2a", "10.0.1.0/24", "10.0.3.0/24"}, [3]string{"ap-southeast-2c", "10.0.2.0/24", "10.0.4.0/24"}),
		"no NAT with endpoints":    "network: {natGateways: none, interfaceEndpoints: true}\n",
		"the next instance type":   "backend: {instanceType: m7i-flex.large}\n",
		"NAT and endpoints":        "network: {natGateways: per-az, interfaceEndpoints: true}\n",
		"one address for SSH":      "network: {sshCidrs: [192.0.2.1/32]}\n",
		"one instance":             "backend: {minSize: 1, maxSize: 1, desiredCapacity: 1}\n",
		"windows across midnight":  "cache: {maintenanceWindow: \"sun:23:30-mon:00:30\", snapshotWindow: \"22:30-23:30\"}\n",
		"an API below one path":    "frontend: {apiPaths: [/api/*]}\n",
		"off, which YAML 1.1 read": "cache: {transitEncryption: off}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if lines := problems("x.yaml", account+content); len(lines) > 0 {
				t.Error(strings.Join(lines, "\n"))
			}
		})
	}
}

func TestEndOfContentSecurityPolicyIsTrimmed(t *testing.T) {
	_, e := load("x.yaml", []byte(account+"frontend:\n  contentSecurityPolicy: >\n    default-src 'self';\n    img-src data:; \n"))
	if want := "default-src 'self'; img-src data:;"; e.Frontend.ContentSecurityPolicy != want {
		t.Errorf("got %q, want %q", e.Frontend.ContentSecurityPolicy, want)
	}
}

func TestEnvironmentIsNamedAfterItsFile(t *testing.T) {
	const form = " is not a valid environment name; allowed: lower-case letters, digits and single hyphens, starting with a letter"
	const taken = " is the name of the stack with the Terraform state; rename the environment"
	for file, want := range map[string]string{
		"a.yaml":               "",
		"fourteen-chars.yml":   "",
		"bootstrapper.yaml":    "",
		"Production.yaml":      `"Production"` + form,
		"pro_duction.yaml":     `"pro_duction"` + form,
		"pre--prod.yaml":       `"pre--prod"` + form,
		"prod-.yaml":           `"prod-"` + form,
		"2prod.yaml":           `"2prod"` + form,
		".yaml":                `""` + form,
		"prod.eu.yaml":         `"prod.eu"` + form,
		"bootstrap.yaml":       `"bootstrap"` + taken,
		"bootstrap-1.yaml":     `"bootstrap-1"` + taken,
		"fifteen-letters.yaml": `"fifteen-letters" has 15 characters; allowed: 14, because AWS ends the target group's name "starttech-fifteen-letters-backend" at 32`,
	} {
		var lines []string
		if want != "" {
			lines = []string{"environments/" + file + ": " + want}
		}
		if diff := cmp.Diff(lines, problems("environments/"+file, account)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestRulesAcrossFilesNameThePosition(t *testing.T) {
	elsewhere := "region: eu-west-2\n" + zones([3]string{"eu-west-2a", "10.0.1.0/24", "10.0.3.0/24"}, [3]string{"eu-west-2b", "10.0.2.0/24", "10.0.4.0/24"})
	for name, test := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"a duplicate name": {map[string]string{"a.yaml": account, "a.yml": account}, []string{
			`DIR/a.yml: environment "a" is already defined by DIR/a.yaml`,
		}},
		"extensions in capitals": {map[string]string{"a.yaml": account, "b.YAML": account, "c.Yml": "account: 1\n", "D.TXT": ""}, []string{
			"DIR/b.YAML: the extension is .yaml or .yml, in lower case",
			"DIR/c.Yml: the extension is .yaml or .yml, in lower case",
		}},
		"an account in two regions": {map[string]string{"a.yaml": account, "b.yaml": account + elsewhere}, []string{
			`DIR/b.yaml:4:9: region: "eu-west-2" differs from "eu-west-1" in DIR/a.yaml; the environments of an account keep their state in one region`,
		}},
		"an account with two repositories": {map[string]string{"a.yaml": account, "b.yaml": strings.Replace(account, "starttech/infrastructure", "someone/fork", 1)}, []string{
			`DIR/b.yaml:2:13: repository: "someone/fork" differs from "starttech/infrastructure" in DIR/a.yaml; the environments of an account are deployed from one repository`,
		}},
		"an account with one repository that has two ids": {map[string]string{"a.yaml": account, "b.yaml": account + "repositoryId: 74\n"}, []string{
			`DIR/b.yaml:4:15: repositoryId: "74" differs from "" in DIR/a.yaml; the environments of an account are deployed from one repository`,
		}},
		"an account whose files have different backups": {map[string]string{
			"a.yaml": account, "b.yaml": account + "backup: {retentionDays: 7}\n", "c.yaml": account + "backup: {retentionDays: 7}\n", "d.yaml": account + "backup: {}\n",
		}, []string{
			`DIR/d.yaml:4:9: backup: this block differs from that in DIR/b.yaml; it is the account's, so all environments of account 123456789012 have the same`,
		}},
		"an account that is subscribed and is not": {map[string]string{"a.yaml": account + "shield: {subscription: existing}\n", "b.yaml": account}, []string{
			"DIR/b.yaml:1:1: shield: missing; DIR/a.yaml has this block, and it is the account's, so all environments of account 123456789012 have the same",
		}},
		"an account with two words on who subscribes": {map[string]string{"a.yaml": account + "shield: {subscription: existing}\n", "b.yaml": account + "shield: {subscription: create, acceptPriceAndCommitment: \"yes, 3000 USD a month for a year\"}\n"}, []string{
			"DIR/b.yaml:4:9: shield: this block differs from that in DIR/a.yaml; it is the account's, so all environments of account 123456789012 have the same",
		}},
		"problems of all files, in order": {map[string]string{"b.yaml": "region: 1\n" + repositories, "a.yaml": account + "backend: {maxSize: 0}\nregion: x\n"}, []string{
			"DIR/a.yaml:4:20: backend.maxSize: 0 is below the minimum, 1",
			`DIR/a.yaml:5:9: region: "x" does not match ^[a-z]{2,4}(-[a-z]+)+-[0-9]$ (AWS region of everything but CloudFront's certificate)`,
			"DIR/b.yaml:1:1: account: missing; The AWS account that this environment lives in, in quotes. The provider refuses any other.",
			"DIR/b.yaml:1:9: region: 1 is a number, not a string; put it in quotes",
		}},
		"an account whose states have two locks": {map[string]string{"a.yaml": account, "b.yaml": account + "state: {lock: s3}\n"}, []string{
			`DIR/b.yaml:4:8: state: this block differs from that in DIR/a.yaml; it is the account's, so all environments of account 123456789012 have the same`,
		}},
		"an account whose second file relies on the default": {map[string]string{"a.yaml": account + "state: {lock: both}\n", "b.yaml": account}, []string{
			"DIR/b.yaml:1:1: state: missing; DIR/a.yaml has this block, and it is the account's, so all environments of account 123456789012 have the same",
		}},
		"the default as a block": {map[string]string{"a.yaml": account, "b.yaml": account + "state: {lock: dynamodb}\n"}, nil},
		"an account with two detectors and two budgets": {map[string]string{"a.yaml": account + "guardDuty: {detector: create}\n", "b.yaml": account + "guardDuty: {detector: existing}\nbudget: {monthlyUsd: 1, emails: [a@x.io]}\n"}, []string{
			"DIR/b.yaml:4:12: guardDuty: this block differs from that in DIR/a.yaml; it is the account's, so all environments of account 123456789012 have the same",
			"DIR/b.yaml:5:9: budget: this block differs from that in DIR/a.yaml; it is the account's, so all environments of account 123456789012 have the same",
		}},
		"an account with a budget in one file only": {map[string]string{"a.yaml": account + "budget: {monthlyUsd: 1, emails: [a@x.io]}\n", "b.yaml": account}, []string{
			"DIR/b.yaml:1:1: budget: missing; DIR/a.yaml has this block, and it is the account's, so all environments of account 123456789012 have the same",
		}},
		"an account with one detector in two files": {map[string]string{"a.yaml": account + "guardDuty: {detector: create}\n", "b.yaml": account + "guardDuty: {detector: create, protections: []}\n"}, nil},
		"two accounts may differ":                   {map[string]string{"a.yaml": account, "b.yaml": "account: \"999999999999\"\nrepository: someone/fork\napplicationRepository: someone/app\n" + elsewhere}, nil},
		"an account with one last snapshot of two caches": {map[string]string{"a.yaml": account + "cache: {finalSnapshot: last}\n", "b.yaml": account, "c.yaml": account + "cache: {finalSnapshot: last}\n"}, []string{
			`DIR/c.yaml:4:24: cache.finalSnapshot: "last" is already the last snapshot of DIR/a.yaml; AWS refuses the second destroy: name another one`,
		}},
		"a snapshot of one environment that another was restored from": {map[string]string{"a.yaml": account + "cache: {finalSnapshot: last}\n", "b.yaml": account + "cache: {restoreFrom: last}\n"}, nil},
		"an account with one peering connection of two VPCs": {map[string]string{
			"a.yaml": account + "database: {peering: {connectionId: pcx-0123456789abcdef0, cidr: 192.168.248.0/21}}\n",
			"b.yaml": account + "database: {peering: {connectionId: pcx-0123456789abcdef0, cidr: 192.168.248.0/21}}\n",
			"c.yaml": account + "database: {peering: {connectionId: pcx-0123456789abcdef1, cidr: 192.168.248.0/21}}\n",
		}, []string{
			`DIR/b.yaml:4:36: database.peering.connectionId: "pcx-0123456789abcdef0" is already the connection of DIR/a.yaml; it leads to one VPC: request another one in Atlas`,
		}},
		"a www name of another environment": {map[string]string{"a.yaml": account + "domain: {name: example.com, hostedZoneId: Z1, www: true}\n", "b.yaml": account + "domain: {name: www.example.com, hostedZoneId: Z1}\n"}, []string{
			`DIR/b.yaml:4:16: domain.name: "www.example.com" is already the name of DIR/a.yaml`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range test.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			environments, err := Load(dir)
			var found Problems
			var lines []string
			if errors.As(err, &found) {
				lines = strings.Split(strings.ReplaceAll(err.Error(), dir, "DIR"), "\n")
			} else if err != nil {
				t.Fatal(err)
			} else if len(environments) != len(test.files) {
				t.Errorf("%d environments of %d files", len(environments), len(test.files))
			}
			if diff := cmp.Diff(test.want, lines); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// A file that was valid must not stop the commands that operate an environment, only because time has passed.
func TestScheduleInThePastFailsTheSynthesisOnly(t *testing.T) {
	for content, want := range map[string]string{
		`{name: a, startTime: "2020-01-01T00:00:00Z", minSize: 3}`:                      `x.yaml:4:43: schedule.actions[0].startTime: "2020-01-01T00:00:00Z"`,
		`{name: a, recurrence: 0 8 * * *, endTime: "2020-01-01T00:00:00Z", minSize: 3}`: `x.yaml:4:64: schedule.actions[0].endTime: "2020-01-01T00:00:00Z"`,
	} {
		dir := t.TempDir()
		if err := writeText(account + "schedule: {actions: [" + content + "]}\n")(filepath.Join(dir, "x.yaml")); err != nil {
			t.Fatal(err)
		}
		if environments, err := Load(dir); err != nil || len(environments) != 1 {
			t.Errorf("Load: %v, %v", environments, err)
		}
		want += " is in the past; AWS refuses it, and has deleted an action that is over: remove the action"
		if _, err := LoadForSynthesis(dir); err == nil || strings.ReplaceAll(err.Error(), dir+"/", "") != want {
			t.Errorf("LoadForSynthesis: got %v, want %s", err, want)
		}
	}
}

func TestRecurrenceIsThatOfCrontab(t *testing.T) {
	const valid, never, invalid = "valid", "never", "invalid"
	for text, want := range map[string]string{
		"0 8 * * MON-FRI":        valid,
		"*/15 0-23/2 1,15 1-6 0": valid,
		"59 23 31 12 7":          valid,
		"0 0 29 2 *":             valid,
		"0 0 31 2 MON":           valid, // cron adds the days of the two fields
		"0 0 31 2 *":             never,
		"0 0 31 2,4,6,9,11 *":    never,
		"0 0 31 2 */2":           never, // a field that begins with * does not add days
		"0 0 L * *":              invalid,
		"0 0 15W * *":            invalid,
		"0 0 * * 5L":             invalid,
		"*/90 * * * *":           invalid,
		"*/0 * * * *":            invalid,
		"0 */24 * * *":           invalid,
		"5/10 * * * *":           invalid,
		"0 0 MON * *":            invalid,
		"0 JAN * * *":            invalid,
		"0 0 * JAN-FEBRUARY *":   invalid,
		"0 8 * * FRI-MON":        invalid,
		"60 * * * *":             invalid,
		"0 24 * * *":             invalid,
		"0 0 0 * *":              invalid,
		"0 0 * 13 *":             invalid,
		"0 0 * * 8":              invalid,
		"0 0 * *, *":             invalid,
		"0 0 * * *-5":            invalid,
		"000 0 * * *":            invalid,
		"0 0 -1 * *":             invalid,
		"0 0 1/2/3 * *":          invalid,
	} {
		got := invalid
		if parsed, ok := parseRecurrence(text); ok && parsed.comes() {
			got = valid
		} else if ok {
			got = never
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestTimeZonesAreThoseOfTheDatabase(t *testing.T) {
	for _, name := range timeZones() {
		if _, err := time.LoadLocation(name); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]bool{
		"Europe/Dublin": true, "Etc/GMT+9": true, "UTC": true, "America/Argentina/Ushuaia": true, "America/Port-au-Prince": true,
		"Local": false, "localtime": false, "posixrules": false, "Factory": false, "right/Europe/Dublin": false, "posix/UTC": false,
		"Europe//Dublin": false, "Europe": false, "europe/dublin": false, "": false,
	} {
		if got := isTimeZone(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	environment := func(name string, change func(*Environment)) Environment {
		e := Default()
		e.Name, e.Account, e.Backend.AmazonLinux = name, "210987654321", "al2023"
		change(&e)
		return e
	}
	nothing := func(*Environment) {}
	placeholder := func(e *Environment) { e.Account = PlaceholderAccount }
	for name, test := range map[string]struct {
		environments []Environment
		want         string
	}{
		"nothing": {[]Environment{environment("a", nothing)}, ""},
		"Amazon Linux 2": {
			[]Environment{
				environment("a", func(e *Environment) { e.Backend.AmazonLinux = "al2" }), environment("b", nothing),
				environment("c", func(e *Environment) { e.Backend.AmazonLinux = "al2" }),
			},
			"warning: a, c: backend.amazonLinux is al2, as in the architecture document; Amazon Linux 2 reached its end of life on 2026-06-30; al2023 is tested as well\n",
		},
		"the placeholder account in all files": {[]Environment{environment("a", placeholder), environment("b", placeholder)}, ""},
		"the placeholder account in one file": {
			[]Environment{environment("a", placeholder), environment("b", nothing)},
			"warning: a: account is still the placeholder 123456789012, but other files have another account\n",
		},
		"unknown types": {
			[]Environment{environment("a", func(e *Environment) { e.Backend.InstanceType, e.Cache.NodeType = "t3.mikro", "cache.t3.smal" })},
			"warning: a: backend.instanceType \"t3.mikro\" is mistyped, or newer than botocore VERSION; did you mean \"t3.micro\"?\n" +
				"warning: a: cache.nodeType \"cache.t3.smal\" is mistyped, or newer than botocore VERSION; did you mean \"cache.t3.small\"?\n",
		},
		"an unknown region": {
			[]Environment{environment("a", func(e *Environment) { e.Region = "eu-west-4" })},
			"warning: a: region \"eu-west-4\" is mistyped, or newer than botocore VERSION; did you mean \"eu-west-1\"?\n",
		},
		"SSH from public and private ranges": {
			[]Environment{environment("a", func(e *Environment) { e.Network.SSHCIDRs = []string{"10.8.0.0/16", "203.0.113.0/24"} })},
			"warning: a 203.0.113.0/24: network.sshCidrs is a public range; instances have no public IP, so it allows nothing: use Session Manager\n",
		},
		"a vault lock that is permanent, and copies to a region that does not exist": {
			[]Environment{environment("a", func(e *Environment) {
				b := defaultBackup()
				b.VaultLock, b.CopyToRegion = &VaultLock{Mode: "compliance", GraceDays: 7}, "eu-west-4"
				e.Backup = &b
			}), environment("b", func(e *Environment) { e.Backup = &Backup{VaultLock: &VaultLock{Mode: "governance"}} })},
			"warning: a: backup.copyToRegion \"eu-west-4\" is mistyped, or newer than botocore VERSION; did you mean \"eu-west-1\"?\n" +
				"warning: a: backup.vaultLock.mode is compliance; from 7 days after the deploy of bootstrap on, nobody can undo it: no administrator, no root user, not AWS\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			Warn(&out, test.environments)
			if diff := cmp.Diff(strings.ReplaceAll(test.want, "botocore VERSION", known().version), out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPathPatternMatchesPath(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/ping", "/ping", true},
		{"/ping", "/ping/", false},
		{"/ping", "/pingpong", false},
		{"/api/*", "/api/health/ready", true},
		{"/api/*", "/api", false},
		{"/api*", "/api", true},
		{"/v?/ping", "/v1/ping", true},
		{"/v?/ping", "/v10/ping", false},
		{"/a.b", "/axb", false},
		{"*", "/anything", true},
		{"/Ping", "/ping", false}, // CloudFront's patterns are case sensitive
	} {
		if got := MatchesPath(test.pattern, test.path); got != test.want {
			t.Errorf("%s takes %s: %v", test.pattern, test.path, got)
		}
	}
}
