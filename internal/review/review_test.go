package review

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
)

// The local AWS lacks IAM's reports of last use, findings of ECR's scans, ages of snapshots and AMIs, restores of AWS Backup, renewals of
// certificates, weeks of metrics and the recommendations of Cost Explorer. So these tests use a server with prepared answers in AWS's formats.
// test/operate has the reviews of what the local AWS has.

// answers is the bodies of the answers, by the operation. The answer of GetParameter is by the parameter's name as well.
type answers map[string]any

const (
	releaseParameter = "/starttech/staging/release"
	tag              = "1111111111111111111111111111111111111111"
	certificateARN   = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
	topicARN         = "arn:aws:sns:eu-west-1:123456789012:starttech-staging-alarms"
)

func ago(days float64) time.Time {
	return time.Now().Add(-time.Duration(days * 24 * float64(time.Hour))).UTC()
}

func iso(days float64) string { return ago(days).Format(time.RFC3339) }

// healthy is an environment in which nothing needs attention.
func healthy() answers {
	return answers{
		"DescribeLoadBalancers": `<LoadBalancers><member><LoadBalancerArn>arn:lb</LoadBalancerArn><DNSName>lb.example.com</DNSName><VpcId>vpc-1</VpcId>` +
			`<Scheme>internet-facing</Scheme><SecurityGroups><member>sg-lb</member></SecurityGroups></member></LoadBalancers>`,
		"DescribeListeners":         `<Listeners><member><Certificates><member><CertificateArn>` + certificateARN + `</CertificateArn></member></Certificates></member></Listeners>`,
		"DescribeSecurityGroups":    securityGroups(rule("sg-lb", 80, "0.0.0.0/0"), rule("sg-lb", 443, "0.0.0.0/0"), rule("sg-backend", 8080, "10.0.0.0/16")),
		"DescribeNetworkInterfaces": networkInterfaces("sg-lb", "sg-backend"),

		"GetRole":                            `<Role><Arn>arn:role</Arn><RoleName>x</RoleName><RoleId>x</RoleId><Path>/</Path><CreateDate>` + iso(200) + `</CreateDate></Role>`,
		"GenerateServiceLastAccessedDetails": `<JobId>1</JobId>`,
		"GetServiceLastAccessedDetails":      lastUse("ecr", 1) + `<JobStatus>COMPLETED</JobStatus><IsTruncated>false</IsTruncated>`,

		"DescribeAutoScalingGroups": `<AutoScalingGroups><member><AutoScalingGroupName>starttech-staging-backend</AutoScalingGroupName>` +
			`<LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId><Version>3</Version></LaunchTemplate></member></AutoScalingGroups>`,
		"DescribeLaunchTemplateVersions": `<launchTemplateVersionSet><item><launchTemplateData><imageId>ami-new</imageId></launchTemplateData></item></launchTemplateVersionSet>`,
		"DescribeImages": `<imagesSet><item><imageId>ami-new</imageId><creationDate>` + iso(10) + `</creationDate></item>` +
			`<item><imageId>ami-old</imageId><creationDate>` + iso(120) + `</creationDate></item></imagesSet>`,
		"GetParameter " + config.Default().Backend.ImageParameter(): `{"Parameter": {"Value": "ami-new"}}`,
		"GetParameter " + releaseParameter:                          `{"Parameter": {"Value": "` + tag + `"}}`,
		"DescribeImageScanFindings":                                 scan("COMPLETE", 1, `"LOW": 3`),

		"GetDistribution":     `<Distribution><DistributionConfig><ViewerCertificate><ACMCertificateArn>` + certificateARN + `</ACMCertificateArn></ViewerCertificate></DistributionConfig></Distribution>`,
		"DescribeCertificate": certificate("ISSUED", 100, "ELIGIBLE", "SUCCESS"),

		"DescribeSnapshots": `<Snapshots><Snapshot><SnapshotStatus>available</SnapshotStatus><NodeSnapshots><NodeSnapshot><SnapshotCreateTime>` + iso(0.5) + `</SnapshotCreateTime></NodeSnapshot></NodeSnapshots></Snapshot></Snapshots>`,
		"DescribeReplicationGroups": `<ReplicationGroups><ReplicationGroup><ReplicationGroupId>starttech-staging-redis</ReplicationGroupId>` +
			`<ReplicationGroupCreateTime>` + iso(100) + `</ReplicationGroupCreateTime><MemberClusters><ClusterId>starttech-staging-redis-001</ClusterId></MemberClusters></ReplicationGroup></ReplicationGroups>`,
		"ListRecoveryPointsByBackupVault":    fmt.Sprintf(`{"RecoveryPoints": [{"Status": "COMPLETED", "CreationDate": %d}]}`, ago(0.5).Unix()),
		"ListRestoreJobsByProtectedResource": fmt.Sprintf(`{"RestoreJobs": [{"Status": "COMPLETED", "CompletionDate": %d}]}`, ago(30).Unix()),

		"DescribeAlarms":     alarm("high-cpu", true, topicARN),
		"GetTopicAttributes": `<Attributes><entry><key>SubscriptionsConfirmed</key><value>1</value></entry><entry><key>SubscriptionsPending</key><value>0</value></entry></Attributes>`,
		"GetMetricData":      metrics(14, map[string]float64{"CPUUtilization": 30, "DatabaseMemoryUsagePercentage": 50, "Evictions": 0, "CPUCreditBalance": 100, "CPUSurplusCreditsCharged": 0}),

		"GetSavingsPlansPurchaseRecommendation": `{}`,
		"GetReservationPurchaseRecommendation":  `{"Recommendations": []}`,
	}
}

type groupRule struct {
	group, source string
	port          int
}

func rule(group string, port int, source string) groupRule { return groupRule{group, source, port} }

func securityGroups(rules ...groupRule) string {
	body := ""
	for _, r := range rules {
		source := "<ipRanges><item><cidrIp>" + r.source + "</cidrIp></item></ipRanges>"
		if strings.Contains(r.source, ":") {
			source = "<ipv6Ranges><item><cidrIpv6>" + r.source + "</cidrIpv6></item></ipv6Ranges>"
		}
		body += fmt.Sprintf("<item><groupId>%[1]s</groupId><groupName>%[1]s</groupName><ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>%[2]d</fromPort><toPort>%[2]d</toPort>%[3]s</item></ipPermissions></item>", r.group, r.port, source)
	}
	return "<securityGroupInfo>" + body + "</securityGroupInfo>"
}

func networkInterfaces(groups ...string) string {
	body := ""
	for _, group := range groups {
		body += "<item><groupSet><item><groupId>" + group + "</groupId></item></groupSet></item>"
	}
	return "<networkInterfaceSet>" + body + "</networkInterfaceSet>"
}

// lastUse is IAM's report of a service; negative days: never.
func lastUse(service string, days float64) string {
	last := ""
	if days >= 0 {
		last = "<LastAuthenticated>" + iso(days) + "</LastAuthenticated>"
	}
	return "<ServicesLastAccessed><member><ServiceName>x</ServiceName><ServiceNamespace>" + service + "</ServiceNamespace>" + last +
		"<TrackedActionsLastAccessed><member><ActionName>GetImage</ActionName><LastAccessedTime>" + iso(2) + "</LastAccessedTime></member></TrackedActionsLastAccessed></member></ServicesLastAccessed>"
}

func scan(status string, days float64, counts string) string {
	return fmt.Sprintf(`{"imageScanStatus": {"status": %q, "description": "a reason"}, "imageScanFindings": {"imageScanCompletedAt": %d, "findingSeverityCounts": {%s},
		"findings": [{"name": "CVE-2026-1", "severity": "CRITICAL"}, {"name": "CVE-2026-2", "severity": "LOW"}]}}`, status, ago(days).Unix(), counts)
}

func certificate(status string, daysLeft float64, eligibility, renewal string) string {
	return fmt.Sprintf(`{"Certificate": {"DomainName": "app.example.com", "Status": %q, "NotAfter": %d, "Type": "AMAZON_ISSUED", "RenewalEligibility": %q, "RenewalSummary": {"RenewalStatus": %q}}}`,
		status, ago(-daysLeft).Unix(), eligibility, renewal)
}

func alarm(name string, enabled bool, actions ...string) map[string]any {
	var list []any
	for _, action := range actions {
		list = append(list, action)
	}
	return map[string]any{"MetricAlarms": []any{map[string]any{"AlarmName": "starttech-staging-" + name, "ActionsEnabled": enabled, "AlarmActions": list}}}
}

// metrics answers with one value an hour for days, by the name of the metric.
func metrics(days int, values map[string]float64) func(request cbor.Map) any {
	return func(request cbor.Map) any {
		var results []any
		for _, each := range request["MetricDataQueries"].(cbor.List) {
			query := each.(cbor.Map)
			name := string(query["MetricStat"].(cbor.Map)["Metric"].(cbor.Map)["MetricName"].(cbor.String))
			var all, times []any
			if value, ok := values[name]; ok {
				for hour := range days * 24 {
					all, times = append(all, value), append(times, ago(float64(hour)/24))
				}
			}
			results = append(results, map[string]any{"Id": string(query["Id"].(cbor.String)), "Values": all, "Timestamps": times})
		}
		return map[string]any{"MetricDataResults": results}
	}
}

// encode encodes strings, numbers, times, lists and maps in CBOR, the format of CloudWatch's API.
func encode(value any) cbor.Value {
	switch v := value.(type) {
	case string:
		return cbor.String(v)
	case bool:
		return cbor.Bool(v)
	case float64:
		return cbor.Float64(v)
	case time.Time:
		return &cbor.Tag{ID: 1, Value: cbor.Float64(v.Unix())}
	case []any:
		list := cbor.List{}
		for _, each := range v {
			list = append(list, encode(each))
		}
		return list
	case map[string]any:
		encoded := cbor.Map{}
		for name, each := range v {
			encoded[name] = encode(each)
		}
		return encoded
	}
	panic(fmt.Sprintf("%T", value))
}

// failureAnswer is an answer that is an error of AWS.
type failureAnswer struct {
	code, message string
}

// server answers with prepared bodies, and records the calls.
type server struct {
	answers answers

	mutex sync.Mutex
	calls []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(content))
	operation, isQuery := form.Get("Action"), form.Get("Action") != ""
	target, isCBOR := r.Header.Get("X-Amz-Target"), r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor"
	switch {
	case isQuery:
	case target != "":
		operation = target[strings.LastIndex(target, ".")+1:]
	case isCBOR:
		operation = path.Base(r.URL.Path)
	case strings.HasSuffix(strings.TrimRight(r.URL.Path, "/"), "/recovery-points"):
		operation = "ListRecoveryPointsByBackupVault"
	case strings.HasSuffix(strings.TrimRight(r.URL.Path, "/"), "/restore-jobs"):
		operation = "ListRestoreJobsByProtectedResource"
	case strings.Contains(r.URL.Path, "/distribution/"):
		operation = "GetDistribution"
	}
	s.mutex.Lock()
	s.calls = append(s.calls, operation)
	s.mutex.Unlock()
	if operation == "GetParameter" {
		for name := range s.answers {
			if parameter, ok := strings.CutPrefix(name, "GetParameter "); ok && strings.Contains(string(content), `"`+parameter+`"`) {
				operation = name
			}
		}
	}
	answer, ok := s.answers[operation]
	if !ok {
		answer = failureAnswer{"UnexpectedCall", cmp.Or(operation, r.Method+" "+r.URL.Path)}
	}
	if function, ok := answer.(func(cbor.Map) any); ok {
		request, err := cbor.Decode(content)
		if err != nil {
			panic(err)
		}
		answer = function(request.(cbor.Map))
	}
	switch body := answer.(type) {
	case failureAnswer:
		w.WriteHeader(http.StatusBadRequest)
		switch {
		case isCBOR:
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			w.Write(cbor.Encode(encode(map[string]any{"__type": body.code, "message": body.message})))
		case isQuery:
			fmt.Fprintf(w, "<ErrorResponse><Error><Code>%[1]s</Code><Message>%[2]s</Message></Error><Errors><Error><Code>%[1]s</Code><Message>%[2]s</Message></Error></Errors></ErrorResponse>", body.code, body.message)
		default:
			fmt.Fprintf(w, `{"__type": %q, "message": %q}`, body.code, body.message)
		}
	case string:
		isEC2 := form.Get("Version") == "2016-11-15"
		switch {
		case isQuery && isEC2:
			body = fmt.Sprintf("<%[1]sResponse>%[2]s</%[1]sResponse>", operation, body)
		case isQuery:
			body = fmt.Sprintf("<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", operation, body)
		}
		io.WriteString(w, body)
	default:
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Write(cbor.Encode(encode(body)))
	}
}

// run reviews an environment with a domain and backups.
func run(t *testing.T, s *server, edit func(*config.Environment)) Report {
	t.Helper()
	local := httptest.NewServer(s)
	defer local.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": local.URL, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	environment := config.Default()
	environment.Name, environment.Account = "staging", "123456789012"
	environment.Domain = &config.Domain{Name: "app.example.com", CreateZone: true}
	environment.Backup = &config.Backup{Schedule: "cron(0 2 * * ? *)"}
	if edit != nil {
		edit(&environment)
	}
	e, err := operate.OpenWith(t.Context(), environment, operate.Outputs{
		"load_balancer_dns_name": "lb.example.com", "auto_scaling_group_name": "starttech-staging-backend", "release_parameter": releaseParameter,
		"ecr_repository_url": "x/starttech-staging-backend", "distribution_id": "E1", "frontend_bucket": "starttech-staging-frontend-123456789012",
	})
	if err != nil {
		t.Fatal(err)
	}
	return Run(t.Context(), e, true)
}

func TestHealthyEnvironmentNeedsNoAttention(t *testing.T) {
	s := &server{answers: healthy()}
	report := run(t, s, nil)
	for _, f := range report.Findings {
		if f.State != OK && f.Check != "Redis restore" {
			t.Errorf("%+v", f)
		}
	}
	// Each answer is one that a check asks for.
	for operation := range s.answers {
		operation, _, _ = strings.Cut(operation, " ")
		if !slices.Contains(s.calls, operation) {
			t.Errorf("no check calls %s", operation)
		}
	}
}

func TestEachReviewFinds(t *testing.T) {
	for name, test := range map[string]struct {
		operation string
		answer    any
		edit      func(*config.Environment)

		check string
		state State  // attention if empty
		text  string // a part of it
		do    string // a part of the action; empty: there is none
	}{
		"SSH from anywhere": {
			operation: "DescribeSecurityGroups", answer: securityGroups(rule("sg-backend", 22, "0.0.0.0/0")),
			check: "open to the world", text: "sg-backend (sg-backend) allows tcp 22 from 0.0.0.0/0", do: "remove the rule",
		},
		"SSH from anywhere by IPv6": {
			operation: "DescribeSecurityGroups", answer: securityGroups(rule("sg-lb", 22, "::/0")),
			check: "open to the world", text: "sg-lb (sg-lb) allows tcp 22 from ::/0", do: "remove the rule",
		},
		"HTTP to another group than the load balancer's": {
			operation: "DescribeSecurityGroups", answer: securityGroups(rule("sg-backend", 80, "0.0.0.0/0")),
			check: "open to the world", text: "allows tcp 80 from 0.0.0.0/0", do: "remove the rule",
		},
		"unused group": {
			operation: "DescribeNetworkInterfaces", answer: networkInterfaces("sg-lb"),
			check: "unused", text: "sg-backend (sg-backend) has no network interface", do: "delete it",
		},
		"service that was never used": {
			operation: "GetServiceLastAccessedDetails", answer: lastUse("s3", -1) + `<JobStatus>COMPLETED</JobStatus>`,
			check: "starttech-staging-instance", text: "not used for 90 days: s3:*", do: "remove them from the role's policy",
		},
		"service that was used long ago": {
			operation: "GetServiceLastAccessedDetails", answer: lastUse("ssm", 91) + `<JobStatus>COMPLETED</JobStatus>`,
			check: "starttech-staging-release", text: "not used for 90 days: ssm:*", do: "remove them from the role's policy",
		},
		"action that was used long ago": {
			operation: "GetServiceLastAccessedDetails", answer: strings.Replace(lastUse("ecr", 1), iso(2), iso(91), 1) + `<JobStatus>COMPLETED</JobStatus>`,
			check: "starttech-staging-instance", text: "not used for 90 days: ecr:GetImage", do: "remove them from the role's policy",
		},
		"new role": {
			operation: "GetRole", answer: `<Role><Arn>arn:role</Arn><CreateDate>` + iso(5) + `</CreateDate></Role>`,
			check: "starttech-staging-instance", state: Unknown, text: "the role exists for 5 days; the review needs 90",
		},
		"old AMI": {
			operation: "DescribeLaunchTemplateVersions", answer: `<launchTemplateVersionSet><item><launchTemplateData><imageId>ami-old</imageId></launchTemplateData></item></launchTemplateVersionSet>`,
			check: "AMI", text: "instances use ami-old of " + ago(120).Format(time.DateOnly) + " (120 days old); the newest is ami-new", do: "make deploy ENV=staging",
		},
		"pinned AMI": {
			operation: "DescribeLaunchTemplateVersions", answer: `<launchTemplateVersionSet><item><launchTemplateData><imageId>ami-old</imageId></launchTemplateData></item></launchTemplateVersionSet>`,
			edit:  func(e *config.Environment) { e.Backend.ImageID = "ami-old" },
			check: "AMI", text: "backend.imageId pins ami-old", do: "remove backend.imageId",
		},
		"critical finding": {
			operation: "DescribeImageScanFindings", answer: scan("COMPLETE", 1, `"CRITICAL": 1`),
			check: "scan of the release", text: tag + " has 1 critical and 0 high findings: CVE-2026-1", do: "build the image again",
		},
		"failed scan": {
			operation: "DescribeImageScanFindings", answer: scan("FAILED", 1, ""),
			check: "scan of the release", text: "has the status FAILED: a reason", do: "aws ecr start-image-scan --repository-name starttech-staging-backend --image-id imageTag=" + tag,
		},
		"old scan": {
			operation: "DescribeImageScanFindings", answer: scan("COMPLETE", 31, ""),
			check: "scan of the release", text: "is 31 days old", do: "aws ecr start-image-scan",
		},
		"image that was not scanned": {
			operation: "DescribeImageScanFindings", answer: failureAnswer{"ScanNotFoundException", "none"},
			check: "scan of the release", text: "ECR has not scanned " + tag, do: "aws ecr start-image-scan",
		},
		"certificate that expires": {
			operation: "DescribeCertificate", answer: certificate("ISSUED", 10.5, "ELIGIBLE", ""),
			check: "expiry and renewal", text: "in 10 days, and is not renewed", do: "check that the validation records",
		},
		"certificate that is not renewed": {
			operation: "DescribeCertificate", answer: certificate("ISSUED", 100, "INELIGIBLE", ""),
			check: "expiry and renewal", text: "ACM does not renew app.example.com in eu-west-1", do: "replace it",
		},
		"renewal that waits": {
			operation: "DescribeCertificate", answer: certificate("ISSUED", 50, "ELIGIBLE", "PENDING_VALIDATION"),
			check: "expiry and renewal", text: "has the status PENDING_VALIDATION; it expires on " + ago(-50).Format(time.DateOnly), do: "check that the validation records",
		},
		"old snapshot": {
			operation: "DescribeSnapshots", answer: strings.Replace(healthy()["DescribeSnapshots"].(string), iso(0.5), iso(3), 1),
			check: "Redis snapshots", text: "the newest of 1 snapshots is 3 days old", do: "aws elasticache describe-events",
		},
		"no snapshot": {
			operation: "DescribeSnapshots", answer: `<Snapshots></Snapshots>`,
			check: "Redis snapshots", text: "there is no snapshot", do: "aws elasticache describe-events",
		},
		"old backup": {
			operation: "ListRecoveryPointsByBackupVault", answer: fmt.Sprintf(`{"RecoveryPoints": [{"Status": "COMPLETED", "CreationDate": %d}]}`, ago(9).Unix()),
			check: "backup of starttech-staging-frontend-123456789012", text: "is 9 days old", do: "aws backup list-backup-jobs",
		},
		"no backup": {
			operation: "ListRecoveryPointsByBackupVault", answer: `{"RecoveryPoints": [{"Status": "DELETING", "CreationDate": 1}]}`,
			check: "backup of starttech-terraform-state-123456789012", text: "there is no backup", do: "aws backup list-backup-jobs",
		},
		"no restore": {
			operation: "ListRestoreJobsByProtectedResource", answer: `{"RestoreJobs": []}`,
			check: "restore of starttech-staging-frontend-123456789012", text: "AWS Backup lists no completed restore", do: "restore a backup into a new bucket",
		},
		"old restore": {
			operation: "ListRestoreJobsByProtectedResource", answer: fmt.Sprintf(`{"RestoreJobs": [{"CompletionDate": %d}]}`, ago(200).Unix()),
			check: "restore of starttech-staging-frontend-123456789012", text: "200 days ago", do: "restore a backup into a new bucket",
		},
		"alarm without an action": {
			operation: "DescribeAlarms", answer: alarm("high-cpu", true),
			check: "recipients", text: "alarms without an action: high-cpu", do: "make deploy ENV=staging",
		},
		"alarm whose actions are disabled": {
			operation: "DescribeAlarms", answer: alarm("high-cpu", false, topicARN),
			check: "recipients", text: "alarms whose actions are disabled: high-cpu", do: "aws cloudwatch enable-alarm-actions",
		},
		"topic without a confirmed subscription": {
			operation: "GetTopicAttributes", answer: `<Attributes><entry><key>SubscriptionsConfirmed</key><value>0</value></entry><entry><key>SubscriptionsPending</key><value>2</value></entry></Attributes>`,
			check: "recipients", text: "1 alarms notify starttech-staging-alarms, which has no confirmed subscription (2 pending)", do: "open the link in AWS's e-mail",
		},
		"topic that is gone": {
			operation: "GetTopicAttributes", answer: failureAnswer{"NotFound", "gone"},
			check: "recipients", text: "which does not exist", do: "monitoring.alarmEmails",
		},
		"busy instances": {
			operation: "GetMetricData", answer: metrics(14, map[string]float64{"CPUUtilization": 90, "DatabaseMemoryUsagePercentage": 50}),
			check: "instances", text: "CPU is over 80 %", do: "choose a larger backend.instanceType",
		},
		"instances without credits": {
			operation: "GetMetricData", answer: metrics(14, map[string]float64{"CPUUtilization": 50, "DatabaseMemoryUsagePercentage": 50, "CPUCreditBalance": 0}),
			edit:  func(e *config.Environment) { e.Backend.CPUCredits = "standard" },
			check: "instances", text: "no CPU credits in 336 hours", do: "choose a larger backend.instanceType",
		},
		"idle instances": {
			operation: "GetMetricData", answer: metrics(14, map[string]float64{"CPUUtilization": 5, "DatabaseMemoryUsagePercentage": 50}),
			edit:  func(e *config.Environment) { e.Backend.InstanceType = "m5.large" },
			check: "instances", text: "CPU stays under 40 %", do: "choose a smaller backend.instanceType",
		},
		"new instances": {
			operation: "GetMetricData", answer: metrics(3, map[string]float64{"CPUUtilization": 30, "DatabaseMemoryUsagePercentage": 50}),
			check: "instances", state: Unknown, text: "the review needs 14",
		},
		"full Redis": {
			operation: "GetMetricData", answer: metrics(14, map[string]float64{"CPUUtilization": 30, "DatabaseMemoryUsagePercentage": 95}),
			check: "Redis", text: "the memory is 95 %, over 80", do: "choose a larger cache.nodeType",
		},
		"busy Redis": {
			operation: "GetMetricData", answer: metrics(14, map[string]float64{"CPUUtilization": 60, "DatabaseMemoryUsagePercentage": 50}),
			check: "Redis", text: "AWS suggests at most 45", do: "choose a larger cache.nodeType",
		},
		"evictions": {
			operation: "GetMetricData", answer: metrics(14, map[string]float64{"CPUUtilization": 30, "DatabaseMemoryUsagePercentage": 50, "Evictions": 1}),
			check: "Redis", text: "keys were evicted in 336 hours", do: "choose a larger cache.nodeType",
		},
		"idle Redis": {
			operation: "GetMetricData", answer: metrics(14, map[string]float64{"CPUUtilization": 2, "DatabaseMemoryUsagePercentage": 5}),
			edit:  func(e *config.Environment) { e.Cache.NodeType = "cache.m5.large" },
			check: "Redis", text: "is hardly used", do: "choose a smaller cache.nodeType",
		},
		"Savings Plan that pays": {
			operation: "GetSavingsPlansPurchaseRecommendation",
			answer:    `{"SavingsPlansPurchaseRecommendation": {"SavingsPlansPurchaseRecommendationSummary": {"EstimatedMonthlySavingsAmount": "12.5", "HourlyCommitmentToPurchase": "0.02"}}}`,
			check:     "Savings Plans", text: "0.020 USD an hour for a year would save 12.50 USD a month", do: "decide",
		},
		"reserved node that pays": {
			operation: "GetReservationPurchaseRecommendation",
			answer:    `{"Recommendations": [{"RecommendationSummary": {"TotalEstimatedMonthlySavingsAmount": "3.2"}}]}`,
			check:     "reserved Redis nodes", text: "would save 3.20 USD a month", do: "decide",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{answers: healthy()}
			s.answers[test.operation] = test.answer
			state := cmp.Or(test.state, Attention)
			report := run(t, s, test.edit)
			if !slices.ContainsFunc(report.Findings, func(f Finding) bool {
				return f.Check == test.check && f.State == state && !f.Failed && strings.Contains(f.Text, test.text) &&
					strings.Contains(f.Action, test.do) && (f.Action == "") == (test.do == "")
			}) {
				t.Errorf("no finding %q in %+v", test.text, report.Findings)
			}
		})
	}
}

// A check that could not be made names the call and the reason, and the others are made.
func TestDeniedCallsAreNamed(t *testing.T) {
	for operation, test := range map[string]struct{ code, check, call string }{
		"DescribeImageScanFindings":             {"AccessDeniedException", "scan of the release", "ECR DescribeImageScanFindings"},
		"DescribeNetworkInterfaces":             {"UnauthorizedOperation", "unused", "EC2 DescribeNetworkInterfaces"},
		"DescribeSnapshots":                     {"AccessDenied", "Redis snapshots", "ElastiCache DescribeSnapshots"},
		"GetTopicAttributes":                    {"AuthorizationError", "recipients", "SNS GetTopicAttributes"},
		"GetSavingsPlansPurchaseRecommendation": {"AccessDeniedException", "Savings Plans", "Cost Explorer GetSavingsPlansPurchaseRecommendation"},
	} {
		s := &server{answers: healthy()}
		s.answers[operation] = failureAnswer{test.code, "no permission"}
		report := run(t, s, nil)
		if got := report.CountFailed(); got != 1 {
			t.Errorf("%s: %d checks failed, want 1: %+v", operation, got, report.Findings)
		}
		for _, f := range report.Findings {
			if f.Failed && (f.Check != test.check || f.State != Unknown || f.Text != "not checked: "+test.call+": "+test.code+": no permission" || !strings.Contains(f.Action, "docs/permissions.md")) {
				t.Errorf("%s: %+v", operation, f)
			}
		}
	}
}

func TestFindingsAreGroupedBySubject(t *testing.T) {
	report := run(t, &server{answers: healthy()}, nil)
	var subjects []string
	for _, f := range report.Findings {
		if len(subjects) == 0 || subjects[len(subjects)-1] != f.Subject {
			subjects = append(subjects, f.Subject)
		}
	}
	want := []string{"Security groups", "Permissions", "Images", "Certificates", "Backups", "Alarms", "Sizes", "Purchases"}
	if !slices.Equal(subjects, want) {
		t.Errorf("%q, want %q", subjects, want)
	}
}

func TestCostExplorerThatIsNotActivatedIsUnknown(t *testing.T) {
	for _, err := range []error{
		&smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User not enabled for cost explorer access"},
		&smithy.GenericAPIError{Code: "DataUnavailableException", Message: "Data is not available. Please try to adjust the time period."},
	} {
		if got := failure(err); got.State != Unknown || got.Failed || got.Text != "Cost Explorer has no data" {
			t.Errorf("%v: %+v", err, got)
		}
	}
}
