package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// change is another value of a key of production's file.
type change struct {
	key     string // as of config.Changes
	class   string // of this value, if it differs from the key's
	path    string // of what is set: the key, or the list or block that contains it; empty: the key
	from    any    // the value before, of a change that is only synthesized, not planned; nil: production's
	value   any    // absent: the key is removed
	with    object // keys and values that are there before and after the change
	refusal string // the error of a refused change
}

// absent is the value of a key that is not in the file.
const absent = "(absent)"

type object = map[string]any

var zoneA = object{"name": "eu-west-1a", "publicCidr": "10.0.1.0/24", "privateCidr": "10.0.3.0/24"}

// zones is the list of zones with another second one.
func zones(name, public, private string) []any {
	return []any{zoneA, object{"name": name, "publicCidr": public, "privateCidr": private}}
}

// action is a scheduled action with further keys and values.
func action(keysAndValues ...any) object {
	return with(object{"name": "a", "minSize": 3}, keysAndValues)
}

// with adds keys and values to a block.
func with(block object, keysAndValues []any) object {
	for pair := range slices.Chunk(keysAndValues, 2) {
		block[pair[0].(string)] = pair[1]
	}
	return block
}

// detector is a created detector of GuardDuty, monitoredRuntime is one with agents, and budget is a budget.
func detector(keysAndValues ...any) object {
	return with(object{"detector": "create"}, keysAndValues)
}

func monitoredRuntime(agents ...any) object {
	return detector("protections", []any{"RUNTIME_MONITORING"}, "runtimeAgents", agents)
}

func budget(keysAndValues ...any) object {
	return with(object{"monthlyUsd": 100, "emails": []any{"a@example.com"}}, keysAndValues)
}

const isProtected = " is protected: to destroy it, set deletionProtection: false in the environment's file and deploy that first"

// changes are a change of every key. The value differs from production's.
var changes = []change{
	{key: "account", value: "210987654321", refusal: "the state bucket starttech-terraform-state-210987654321 does not exist"},
	{key: "region", value: "eu-west-2", refusal: "the state of the account is in eu-west-1: region cannot change from eu-west-1 to eu-west-2"},
	{key: "repository", value: "starttech/platform"},
	{key: "repositoryId", value: 1234},
	{key: "repositoryId", from: 1234, value: absent},
	{key: "applicationRepository", value: "starttech/shop"},
	{key: "applicationRepositoryId", value: 5678},
	{key: "applicationRepositoryId", from: 5678, value: absent},
	{key: "oidcProvider", value: "existing"},
	{key: "deletionProtection", value: false},

	{key: "domain.name", path: "domain"}, // the value is newDomain
	{key: "domain.hostedZoneId", path: "domain"},
	{key: "domain.name", path: "domain", from: newDomain("old.example.com", "Z0123456789ABCDEFGHIJ"), value: absent},
	{key: "domain.hostedZoneId", path: "domain.hostedZoneId", from: "Z0123456789ABCDEFGHIJ", value: "Z9876543210ABCDEFGHIJ"},
	{key: "domain.createZone", path: "domain", from: newDomain("app.example.com", "Z0123456789ABCDEFGHIJ"), value: object{"createZone": true}},
	{key: "domain.www", path: "domain", from: newDomain("app.example.com", "Z0123456789ABCDEFGHIJ"), value: object{"hostedZoneId": "Z0123456789ABCDEFGHIJ", "www": true}},
	{key: "domain.www", path: "domain", from: object{"hostedZoneId": "Z0123456789ABCDEFGHIJ", "www": true}, value: newDomain("app.example.com", "Z0123456789ABCDEFGHIJ")},
	{key: "domain.caa", path: "domain", from: newDomain("app.example.com", "Z0123456789ABCDEFGHIJ"), value: object{"hostedZoneId": "Z0123456789ABCDEFGHIJ", "caa": true}},

	{key: "network.cidr", path: "network", value: object{
		"cidr": "10.7.0.0/16", "availabilityZones": []any{
			object{"name": "eu-west-1a", "publicCidr": "10.7.1.0/24", "privateCidr": "10.7.3.0/24"},
			object{"name": "eu-west-1b", "publicCidr": "10.7.2.0/24", "privateCidr": "10.7.4.0/24"},
		},
	}, refusal: "aws_vpc.network" + isProtected},
	{key: "network.availabilityZones", value: append(zones("eu-west-1b", "10.0.2.0/24", "10.0.4.0/24"),
		object{"name": "eu-west-1c", "publicCidr": "10.0.5.0/24", "privateCidr": "10.0.6.0/24"})},
	{
		key: "network.availabilityZones[].name", path: "network.availabilityZones", value: zones("eu-west-1c", "10.0.5.0/24", "10.0.6.0/24"),
		refusal: "aws_subnet.private_b, aws_subnet.public_b" + isProtected,
	},
	{
		key: "network.availabilityZones[].publicCidr", path: "network.availabilityZones", value: zones("eu-west-1b", "10.0.12.0/24", "10.0.4.0/24"),
		refusal: "aws_subnet.public_b" + isProtected,
	},
	{
		key: "network.availabilityZones[].privateCidr", path: "network.availabilityZones", value: zones("eu-west-1b", "10.0.2.0/24", "10.0.14.0/24"),
		refusal: "aws_subnet.private_b" + isProtected,
	},
	{key: "network.natGateways", value: "per-az"},
	{key: "network.natGateways", from: "per-az", value: "single"},
	{key: "network.interfaceEndpoints", value: true},
	{key: "network.interfaceEndpoints", from: true, value: false},
	{key: "network.flowLogs", from: false, value: true},
	{key: "network.flowLogs", value: false, class: config.Refused, refusal: "aws_cloudwatch_log_group.flow_logs_group" + isProtected},
	{key: "network.sshCidrs", value: []any{"10.0.0.0/8"}},
	{key: "network.sshCidrs", value: []any{"172.17.0.0/16"}, class: config.Rolls},
	{key: "network.privateOrigin", value: true, refusal: "aws_lb.load_balancer" + isProtected},

	{key: "loadBalancer.healthCheckPath", value: "/health"},
	{key: "loadBalancer.healthCheckIntervalSeconds", value: 15},
	{key: "loadBalancer.deregistrationDelaySeconds", value: 30},

	{key: "backend.amazonLinux", value: "al2023"},
	{key: "backend.imageId", value: "ami-0123456789abcdef0"},
	{key: "backend.imageId", from: "ami-0123456789abcdef0", value: absent},
	{key: "backend.containerCredentials", value: true},
	{key: "backend.cpuCredits", value: "standard"},
	{key: "backend.instanceType", value: "t3.small"},
	{key: "backend.minSize", value: 1},
	{key: "backend.maxSize", value: 6},
	{key: "backend.desiredCapacity", value: 3},
	{key: "backend.targetCpuPercent", value: 50},
	{key: "backend.spotPercent", value: 50},
	{key: "backend.instanceTypes", path: "backend", from: object{"spotPercent": 50}, value: object{"spotPercent": 50, "instanceTypes": []any{"t3a.micro"}}},
	{key: "backend.instanceTypes", path: "backend", from: object{"spotPercent": 50, "instanceTypes": []any{"t3a.micro"}}, value: object{"spotPercent": 50}},
	{key: "backend.rootVolumeGiB", value: 16},
	{key: "backend.warmupSeconds", value: 200},
	{key: "backend.sessionManager", value: false},
	{key: "backend.instanceMetrics", value: true},
	{key: "backend.instanceMetrics", from: true, value: false},

	{key: "registry.keepImages", value: 20},
	{key: "registry.untaggedDays", value: 3},

	{key: "cache.nodeType", value: "cache.t3.small"},
	{key: "cache.engineVersion", value: "7.0", class: config.Refused, refusal: "aws_elasticache_replication_group.redis" + isProtected},
	{key: "cache.engineVersion", from: "7.0", value: "7.1"},
	{key: "cache.engine", value: "valkey"},
	{key: "cache.restoreFrom", value: "before-sale", refusal: "aws_elasticache_replication_group.redis" + isProtected},
	{key: "cache.finalSnapshot", value: "last-of-redis"},
	{key: "cache.replicas", value: 2},
	{key: "cache.replicas", from: 3, value: 1, class: config.Interrupts},
	{key: "cache.replicas", value: 0, class: config.Interrupts},
	{key: "cache.snapshotRetentionDays", value: 3},
	{key: "cache.snapshotRetentionDays", value: 0},
	{key: "cache.snapshotRetentionDays", from: 0, value: 7},
	{key: "cache.transitEncryption", value: "required"},
	{key: "cache.transitEncryption", value: "off"},
	{key: "cache.transitEncryption", from: "off", value: "preferred"},
	{key: "cache.auth", from: false, value: true, with: object{"cache.transitEncryption": "required", "secrets.rotationDays": 30}},
	{key: "cache.maintenanceWindow", value: "mon:03:00-mon:04:00"},
	{key: "cache.snapshotWindow", value: "05:00-06:00"},

	{key: "frontend.apiPaths", value: []any{"/auth/*", "/health"}},
	{key: "frontend.oldVersionRetentionDays", value: 30},
	{key: "frontend.originAccess", value: "oac"},
	{key: "frontend.oldVersionsStorageClass", path: "frontend", from: object{}, value: object{"oldVersionsStorageClass": "STANDARD_IA"}}, // 30 days are too short for it
	{key: "frontend.oldVersionsStorageDays", path: "frontend", from: object{"oldVersionsStorageClass": "STANDARD_IA"}, value: object{"oldVersionsStorageClass": "STANDARD_IA", "oldVersionsStorageDays": 45}},
	{key: "frontend.contentSecurityPolicy", value: "default-src 'self'"},
	{key: "frontend.accessLogs", value: true},
	{key: "frontend.accessLogs", from: true, value: false, class: config.Refused, refusal: "aws_cloudwatch_log_group.cloudfront_logs" + isProtected},
	{key: "frontend.priceClass", value: "PriceClass_All"},

	{key: "monitoring.logRetentionDays", value: 60},
	{key: "monitoring.alarmEmails", value: []any{"ops@example.com"}},

	{key: "secrets.rotationDays", path: "secrets", value: object{}, class: config.Rolls},
	{key: "secrets.rotationDays", from: 30, value: 60},

	{key: "schedule.actions", value: []any{action("recurrence", "0 8 * * *")}},
	{key: "schedule.actions", from: []any{action("recurrence", "0 8 * * *")}, value: []any{action("recurrence", "0 8 * * *"), object{"name": "b", "recurrence": "0 9 * * *", "minSize": 3}}},
	{key: "schedule.actions[].name", path: "schedule.actions", from: []any{action("recurrence", "0 8 * * *")}, value: []any{action("name", "b", "recurrence", "0 8 * * *")}},
	{key: "schedule.actions[].recurrence", path: "schedule.actions", from: []any{action("recurrence", "0 8 * * *")}, value: []any{action("recurrence", "0 9 * * *")}},
	{key: "schedule.actions[].timeZone", path: "schedule.actions", from: []any{action("recurrence", "0 8 * * *")}, value: []any{action("recurrence", "0 8 * * *", "timeZone", "Europe/Dublin")}},
	{key: "schedule.actions[].startTime", path: "schedule.actions", from: []any{action("startTime", "2099-01-01T00:00:00Z")}, value: []any{action("startTime", "2099-01-02T00:00:00Z")}},
	{key: "schedule.actions[].endTime", path: "schedule.actions", from: []any{action("recurrence", "0 8 * * *")}, value: []any{action("recurrence", "0 8 * * *", "endTime", "2099-01-01T00:00:00Z")}},
	{key: "schedule.actions[].minSize", path: "schedule.actions", from: []any{action("recurrence", "0 8 * * *")}, value: []any{action("recurrence", "0 8 * * *", "minSize", 4)}},
	{key: "schedule.actions[].maxSize", path: "schedule.actions", from: []any{action("recurrence", "0 8 * * *")}, value: []any{action("recurrence", "0 8 * * *", "maxSize", 4)}},
	{key: "schedule.actions[].desiredCapacity", path: "schedule.actions", from: []any{action("recurrence", "0 8 * * *")}, value: []any{action("recurrence", "0 8 * * *", "desiredCapacity", 4)}},

	{key: "state.lock", value: "both"},
	{key: "state.lock", from: "both", value: "s3"},

	{key: "database.privateLink.serviceName", value: atlasService},
	{key: "database.privateLink.serviceName", from: atlasService, value: "com.amazonaws.vpce.eu-west-1.vpce-svc-0fedcba9876543210"},
	{key: "database.peering.connectionId", path: "database.peering", value: atlas("cidr", "192.168.248.0/21")},
	{key: "database.peering.connectionId", path: "database.peering", from: atlas("cidr", "192.168.248.0/21"), value: atlas("connectionId", "pcx-0fedcba9876543210")},
	{key: "database.peering.cidr", path: "database.peering", from: atlas("cidr", "192.168.248.0/21"), value: atlas("cidr", "192.168.240.0/21")},
	{key: "database.peering.cidr", path: "database.peering", from: atlas("cidr", "192.168.248.0/21"), value: atlas("cidr", "172.17.8.0/21")},

	{key: "tracing.reservoirPerSecond", from: 1, value: 2},
	{key: "tracing.ratePercent", from: 5, value: 10},
	{key: "tracing.insights", from: false, value: true},
	{key: "guardDuty.detector", path: "guardDuty", value: detector()},
	{key: "guardDuty.detector", path: "guardDuty", from: detector(), value: object{"detector": "existing"}},
	{key: "guardDuty.protections", path: "guardDuty", from: detector(), value: detector("protections", []any{"S3_DATA_EVENTS"})},
	{key: "guardDuty.runtimeAgents", path: "guardDuty", from: monitoredRuntime(), value: monitoredRuntime("ECS_FARGATE_AGENT_MANAGEMENT")},
	{key: "guardDuty.findingPublishingFrequency", path: "guardDuty", from: detector(), value: detector("findingPublishingFrequency", "ONE_HOUR")},

	{key: "budget.monthlyUsd", path: "budget", value: budget()},
	{key: "budget.monthlyUsd", path: "budget", from: budget(), value: budget("monthlyUsd", 200)},
	{key: "budget.emails", path: "budget", from: budget(), value: budget("emails", []any{"a@example.com", "b@example.com"})},
	{key: "budget.costs", path: "budget", from: budget(), value: budget("costs", "project")},
	{key: "budget.anomalies.thresholdUsd", path: "budget", from: budget(), value: budget("anomalies", object{"thresholdUsd": 20})},
	{
		key: "budget.anomalies.monitorArn", path: "budget", from: budget("anomalies", object{"thresholdUsd": 20}),
		value: budget("anomalies", object{"thresholdUsd": 20, "monitorArn": "arn:aws:ce::123456789012:anomalymonitor/m"}),
	},

	{key: "backup.schedule", value: "cron(0 4 * * ? *)"},
	{key: "backup.schedule", from: "cron(0 4 * * ? *)", value: "cron(0 4 ? * MON-SAT *)"},
	{key: "backup.retentionDays", value: 60},
	{key: "backup.retentionDays", from: 60, value: 90},
	{key: "backup.kmsKey", path: "backup", value: object{"kmsKey": "own"}, class: config.Free}, // with the block, which it is not refused for
	{key: "backup.vaultLock.mode", path: "backup.vaultLock", value: object{"mode": "governance"}},
	{key: "backup.vaultLock.mode", path: "backup.vaultLock", from: object{"mode": "governance"}, value: object{"mode": "compliance", "graceDays": 3}},
	{key: "backup.vaultLock.minRetentionDays", path: "backup.vaultLock", value: object{"mode": "governance", "minRetentionDays": 7}},
	{key: "backup.vaultLock.maxRetentionDays", path: "backup.vaultLock", value: object{"mode": "governance", "maxRetentionDays": 70}},
	{key: "backup.vaultLock.graceDays", path: "backup.vaultLock", value: object{"mode": "compliance", "graceDays": 4}},
	{key: "backup.copyToRegion", value: "eu-central-1"},
	{key: "backup.copyRetentionDays", path: "backup", value: object{"copyToRegion": "eu-central-1", "copyRetentionDays": 7}},
	{key: "shield.subscription", path: "shield", value: object{"subscription": "existing"}},
	{key: "shield.acceptPriceAndCommitment", path: "shield", value: object{"subscription": "create", "acceptPriceAndCommitment": "yes, 3000 USD a month for a year"}},

	{key: "firewall.mode", path: "firewall", value: object{}},
	{key: "firewall.mode", path: "firewall", from: object{}, value: object{"mode": "block"}},
	{key: "firewall.rateLimit", path: "firewall", from: object{}, value: object{"rateLimit": 100}},
	{key: "firewall.overrides", path: "firewall", from: object{}, value: object{"overrides": []any{object{"rule": "SQLi_BODY", "action": "count"}}}},
	{key: "firewall.overrides[].rule", path: "firewall.overrides", from: []any{object{"rule": "SQLi_BODY", "action": "count"}}, value: []any{object{"rule": "SQLi_COOKIE", "action": "count"}}},
	{key: "firewall.overrides[].action", path: "firewall.overrides", from: []any{object{"rule": "SQLi_BODY", "action": "count"}}, value: []any{object{"rule": "SQLi_BODY", "action": "allow"}}},
	{key: "firewall.logs.retentionDays", path: "firewall.logs", from: object{"retentionDays": 7, "requests": "all"}, value: object{"retentionDays": 60, "requests": "all"}},
	{key: "firewall.logs.requests", path: "firewall.logs", from: object{"retentionDays": 7, "requests": "all"}, value: object{"retentionDays": 7, "requests": "matched"}},
}

const atlasService = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0"

// atlas is a peering with another key and value.
func atlas(key, value string) object {
	of := object{"connectionId": "pcx-0123456789abcdef0", "cidr": "192.168.248.0/21"}
	of[key] = value
	return of
}

// classOf is the class of a change: its own, or that of the key's tag.
func classOf(c change) string {
	if c.class != "" {
		return c.class
	}
	class, _, _ := strings.Cut(config.Changes()[c.key], ": ")
	return class
}

func newDomain(name, zone string) object { return object{"name": name, "hostedZoneId": zone} }

// interrupting are the arguments whose change interrupts something. The zones of production are a and b.
var interrupting = regexp.MustCompile(`^(aws_elasticache_replication_group\.redis\.(node_type|engine|engine_version|transit_encryption_mode|user_group_ids)|` +
	`aws_lb_target_group\.backend_targets\.health_check\.path|aws_cloudfront_distribution\.frontend_distribution\.(origin|aliases)\b.*|` +
	`aws_route53_record\.alias_ipv4\.zone_id|aws_route\.private_[ab]_to_nat\.nat_gateway_id|aws_vpc_endpoint\.\w+\.private_dns_enabled|` +
	`aws_vpc_endpoint\.database_endpoint\.service_name|aws_vpc_peering_connection_accepter\.database_peering\.vpc_peering_connection_id|` +
	`aws_route\.private_[ab]_to_database\.destination_cidr_block)$`)

// replacingInstances are what the instances are made of. A change of it starts an instance refresh.
var replacingInstances = regexp.MustCompile(`^(aws_launch_template\.backend_launch_template|local\.boot_script|data\.aws_ssm_parameter\.amazon_linux|` +
	`aws_autoscaling_group\.backend\.mixed_instances_policy\b.*)$`)

// TestChangesAreOfTheirClass compares the stacks before and after each change. The class of a change follows from the arguments that change.
func TestChangesAreOfTheirClass(t *testing.T) {
	t.Parallel()
	possible := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return classOf(c) == config.Refused })
	for i, changed := range changedPaths(t, possible) {
		c := possible[i]
		rolls, interrupts := slices.ContainsFunc(changed, replacingInstances.MatchString), slices.ContainsFunc(changed, interrupting.MatchString)
		if c.key == "cache.replicas" { // connections to the replica that is removed
			interrupts = classOf(c) == config.Interrupts && slices.Contains(changed, "aws_elasticache_replication_group.redis.num_cache_clusters")
		}
		want := config.Free
		switch {
		case interrupts:
			want = config.Interrupts
		case rolls:
			want = config.Rolls
		}
		if class := classOf(c); class != want || len(changed) == 0 && !ofBootstrap(c) {
			t.Errorf("%s: %v is %s, but its changes are %s: %q", c.key, c.value, class, want, changed)
		}
	}
}

// ofBootstrap reports whether the text of a key says that bootstrap is to be deployed.
func ofBootstrap(c change) bool { return strings.Contains(config.Changes()[c.key], "bootstrap") }

// TestChangesNameBootstrapIfTheyChangeIt compares the bootstrap stacks.
func TestChangesNameBootstrapIfTheyChangeIt(t *testing.T) {
	t.Parallel()
	bootstrapOf := func(changes ...change) map[string]string {
		return resourcesOf(t, synthesizeChanged(t, changes...).Stack(t, "bootstrap"))
	}
	base := bootstrapOf()
	var others []change
	for _, c := range changes {
		switch {
		case classOf(c) == config.Refused || c.from != nil || slices.ContainsFunc(others, func(o change) bool { return o.key == c.key }):
		case !ofBootstrap(c):
			others = append(others, c)
		default:
			if c.path == "domain" {
				c.value = newDomain("app.example.com", "Z0123456789ABCDEFGHIJ")
			}
			if len(differences(base, bootstrapOf(c))) == 0 {
				t.Errorf("%s: the text names bootstrap, which does not change", c.key)
			}
		}
	}
	if changed := differences(base, bootstrapOf(others...)); len(changed) > 0 || len(others) == 0 {
		t.Errorf("%d changes whose text does not name bootstrap change %q of it", len(others), changed)
	}
}

// testChanges plans a change of every key of production, which is deployed. Changes that are not refused are planned together with the
// others of their class. Which resources a key changes is read from the synthesized stacks. zone is the ID of the hosted zone of
// example.com.
func testChanges(t *testing.T, aws *local.AWS, zone string) {
	var keys []string
	for _, c := range changes {
		if !slices.Contains(keys, c.key) {
			keys = append(keys, c.key)
		}
	}
	harness.EqualSets(t, "keys with a change", keys, slices.Collect(maps.Keys(config.Changes())))
	testHostedZones(t, aws, zone)

	together := map[string][][]change{} // each key once in a plan
	for _, c := range changes {
		if c.from != nil {
			continue
		}
		if c.path == "domain" {
			c.value = newDomain("app.example.com", zone)
		}
		class := classOf(c)
		if class != config.Refused {
			groups := together[class]
			i := slices.IndexFunc(groups, func(group []change) bool {
				return !slices.ContainsFunc(group, func(o change) bool { return o.key == c.key })
			})
			if i < 0 {
				together[class] = append(groups, []change{c})
			} else {
				groups[i] = append(groups[i], c)
			}
			continue
		}
		_, err := planChanges(t, plannerOf(t, aws, c), c)
		var refused *terraform.Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s: the plan is refused with %v, want %q", c.key, err, c.refusal)
			continue
		}
		if comment := report.Failure("production", refused.Error(), refused.Output); !strings.Contains(comment, c.refusal) {
			t.Errorf("%s: the comment on the pull request does not say %q:\n%s", c.key, c.refusal, comment)
		}
	}
	for class, groups := range together {
		for _, group := range groups {
			planTogether(t, aws, class, group)
		}
	}
}

// plannerOf is the credentials that plan changes: the plan role's, or the administrator's if the role may read what the changes need after a
// deploy of bootstrap only.
func plannerOf(t *testing.T, aws *local.AWS, changes ...change) map[string]string {
	t.Helper()
	if slices.ContainsFunc(changes, func(c change) bool { return c.key == "account" || ofBootstrap(c) }) {
		return aws.Env()
	}
	return planner(t, aws)
}

// planTogether plans changes of a class, and requires that the plan changes what they change, and replaces nothing.
func planTogether(t *testing.T, aws *local.AWS, class string, group []change) {
	t.Helper()
	plan, err := planChanges(t, plannerOf(t, aws, group...), group...)
	if err != nil {
		t.Errorf("%s: %v", class, err)
		return
	}
	isPlanned := map[string]bool{}
	for _, resource := range plan.ResourceChanges {
		if resource.Change.Actions.Replace() && !replaceable[resource.Address] {
			t.Errorf("%s: %s is replaced", class, resource.Address)
		}
		isPlanned[resource.Address] = !resource.Change.Actions.NoOp()
	}
	for i, changed := range changedPaths(t, group) {
		for _, address := range changed {
			isManaged := strings.HasPrefix(address, "aws_") && strings.Count(address, ".") == 1
			if isManaged && !isPlanned[address] && !withoutPlan[group[i].key] {
				t.Errorf("%s: the plan does not change %s", group[i].key, address)
			}
		}
	}
}

// testHostedZones plans a domain with the zone of another domain, and with a private zone of its own.
func testHostedZones(t *testing.T, aws *local.AWS, zone string) {
	t.Helper()
	vpc := mustAWSCLI(t, aws, "ec2", "describe-vpcs", "--filters", "Name=tag:environment,Values=production", "--query", "Vpcs[0].VpcId", "--output", "text")
	private := strings.TrimPrefix(mustAWSCLI(t, aws, "route53", "create-hosted-zone", "--name", "example.com", "--caller-reference", "private",
		"--vpc", "VPCRegion=eu-west-1,VPCId="+vpc, "--hosted-zone-config", "PrivateZone=true", "--query", "HostedZone.Id", "--output", "text"), "/hostedzone/")
	defer mustAWSCLI(t, aws, "route53", "delete-hosted-zone", "--id", private)
	for _, test := range []struct{ name, zone, want string }{
		{"app.example.org", zone, "domain.name: app.example.org is not in the hosted zone " + zone + ", which is of example.com"},
		{"app.example.com", private, "domain.hostedZoneId: the hosted zone " + private + " is private"},
	} {
		_, err := planChanges(t, aws.Env(), change{path: "domain", value: newDomain(test.name, test.zone)})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("the plan with a domain of another zone: %v, want %q", err, test.want)
		}
	}
}

// withoutPlan are the keys that change the configuration, but nothing on AWS.
var withoutPlan = map[string]bool{
	"backend.desiredCapacity": true, // the group ignores it
	"deletionProtection":      true, // most of it is Terraform's own
}

// replaceable are resources that hold nothing. ECR has one lifecycle policy for a repository, and the provider cannot change it in place
// (https://registry.terraform.io/providers/hashicorp/aws/5.100.0/docs/resources/ecr_lifecycle_policy).
var replaceable = map[string]bool{"aws_ecr_lifecycle_policy.backend_images_lifecycle": true}

// changedPaths returns what each change changes in the stack of production: the addresses of resources and local values, and the paths of
// arguments, ADDRESS.ARGUMENT.
func changedPaths(t *testing.T, all []change) [][]string {
	t.Helper()
	// One synthesis for all: the file before and the file after each change are environments of their own, whose names are then replaced by
	// production. The environments of an account share some keys, or cannot share a peering, so a change of those has two syntheses of its own.
	paths := make([][]string, len(all))
	files := map[string]string{"environments/production.yaml": changedFile(t)}
	names := map[int][2]string{} // of the environments before and after a change
	for i, c := range all {
		var before []change
		if c.from != nil {
			before = []change{{key: c.key, path: c.path, value: c.from, with: c.with}}
		}
		block, _, _ := strings.Cut(c.key, ".")
		if slices.Contains([]string{"repository", "repositoryId", "oidcProvider", "state", "guardDuty", "budget", "backup", "shield", "database"}, block) {
			paths[i] = differences(resourcesOf(t, synthesizeChanged(t, before...).Stack(t, "production")),
				resourcesOf(t, synthesizeChanged(t, c).Stack(t, "production")))
			continue
		}
		names[i] = [2]string{"production", fmt.Sprint("after", i)}
		if before != nil {
			names[i] = [2]string{fmt.Sprint("before", i), fmt.Sprint("after", i)}
			files["environments/"+names[i][0]+".yaml"] = changedFile(t, ownDomain(names[i][0], before)...)
		}
		files["environments/"+names[i][1]+".yaml"] = changedFile(t, ownDomain(names[i][1], []change{c})...)
	}
	out, err := harness.Synthesize(harness.WriteFiles(t, files))
	harness.Must(t, out, err)
	for i, name := range names {
		paths[i] = differences(resourcesOf(t, out.Stack(t, name[0])), resourcesOf(t, out.Stack(t, name[1])))
	}
	return paths
}

// ownDomain gives changes of the domain a name of the environment's own, because environments cannot share one.
func ownDomain(environment string, changes []change) []change {
	var own []change
	for _, c := range changes {
		name := environment + ".example.com"
		switch {
		case c.path == "domain" && c.value == nil:
			c.value = newDomain(name, "Z0123456789ABCDEFGHIJ")
		case c.path == "domain" && c.value != absent:
			domain := maps.Clone(c.value.(object))
			domain["name"] = name
			c.value = domain
		case c.path == "domain.hostedZoneId":
			c.path, c.value = "domain", newDomain(name, c.value.(string))
		}
		own = append(own, c)
	}
	return own
}

// resourcesOf returns the resources and local values of a stack as JSON, by address, and the arguments of the resources by
// ADDRESS.ARGUMENT. The environment's name is production.
func resourcesOf(t *testing.T, stack harness.Stack) map[string]string {
	t.Helper()
	name := regexp.MustCompile(`\b` + stack.Name + `\b`)
	found := map[string]string{}
	add := func(address string, value any) {
		content, err := json.Marshal(value)
		found[address] = name.ReplaceAllString(string(harness.Must(t, content, err)), "production")
	}
	for address, resource := range stack.Resources() {
		delete(resource, "//") // comments for the linters
		add(address, resource)
		addArguments(add, address, resource)
	}
	locals, _ := stack.Body["locals"].(object)
	for name, value := range locals {
		add("local."+name, value)
	}
	return found
}

// addArguments calls add for each argument in a block, and in the blocks in it.
func addArguments(add func(path string, value any), path string, block object) {
	for argument, value := range block {
		if inner, ok := value.(object); ok {
			addArguments(add, path+"."+argument, inner)
		} else {
			add(path+"."+argument, value)
		}
	}
}

// differences returns the keys under which two maps differ.
func differences(a, b map[string]string) (keys []string) {
	for key := range a {
		if a[key] != b[key] {
			keys = append(keys, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// planChanges plans production with changes.
func planChanges(t *testing.T, credentials map[string]string, changes ...change) (*tfjson.Plan, error) {
	t.Helper()
	stack, err := terraform.Open(synthesizeChanged(t, changes...).StackDir("production"), terraformOptions(t, credentials))
	harness.Must(t, stack, err)
	plan, _, err := stack.NewPlan(t.Context(), filepath.Join(t.TempDir(), "plan"), terraform.PlanOptions{})
	return plan, err
}

// synthesizeChanged synthesizes production with changes.
func synthesizeChanged(t *testing.T, changes ...change) harness.Output {
	t.Helper()
	out, err := harness.Synthesize(harness.WriteFiles(t, map[string]string{"environments/production.yaml": changedFile(t, changes...)}))
	return harness.Must(t, out, err)
}

// changedFile returns production's file with changes.
func changedFile(t *testing.T, changes ...change) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(harness.Root, harness.ReferenceDir, "production.yaml"))
	var file object
	harness.Must(t, 0, yaml.Unmarshal(harness.Must(t, content, err), &file))
	for _, c := range changes {
		path := c.path
		if path == "" {
			path = c.key
		}
		for key, value := range c.with {
			set(file, key, value)
		}
		set(file, path, c.value)
		if c.key == "region" {
			set(file, "network.availabilityZones", []any{
				object{"name": "eu-west-2a", "publicCidr": "10.0.1.0/24", "privateCidr": "10.0.3.0/24"},
				object{"name": "eu-west-2b", "publicCidr": "10.0.2.0/24", "privateCidr": "10.0.4.0/24"},
			})
		}
	}
	content, err = yaml.Marshal(file)
	return string(harness.Must(t, content, err))
}

// set sets the value at a path of keys.
func set(file object, path string, value any) {
	key, rest, isNested := strings.Cut(path, ".")
	if !isNested && value == absent {
		delete(file, key)
		return
	} else if !isNested {
		file[key] = value
		return
	}
	block, ok := file[key].(object)
	if !ok && value == absent {
		return
	}
	if !ok {
		block = object{}
		file[key] = block
	}
	set(block, rest, value)
}
