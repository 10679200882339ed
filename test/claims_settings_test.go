package test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

// elsewhere is an environment in which no setting is the default.
const elsewhere = `
account: "999999999999"
region: us-west-2
repository: someone/fork
applicationRepository: someone/app.web
oidcProvider: existing
deletionProtection: false
domain: {name: shop.example.org, hostedZoneId: Z999}
network:
  cidr: 10.9.0.0/20
  availabilityZones:
    - {name: us-west-2b, publicCidr: 10.9.1.0/24, privateCidr: 10.9.3.0/24}
    - {name: us-west-2d, publicCidr: 10.9.2.0/24, privateCidr: 10.9.4.0/24}
  natGateways: none
  interfaceEndpoints: true
  flowLogs: false
  sshCidrs: [192.0.2.0/25]
loadBalancer: {healthCheckPath: /up, healthCheckIntervalSeconds: 17, deregistrationDelaySeconds: 45}
backend:
  amazonLinux: al2023
  instanceType: m5.large
  minSize: 3
  maxSize: 9
  desiredCapacity: 4
  targetCpuPercent: 35
  spotPercent: 40
  rootVolumeGiB: 20
  warmupSeconds: 120
  sessionManager: false
registry: {keepImages: 11, untaggedDays: 3}
cache:
  nodeType: cache.m5.large
  engineVersion: "7.0"
  replicas: 2
  snapshotRetentionDays: 5
  transitEncryption: required
  maintenanceWindow: tue:05:00-tue:06:30
  snapshotWindow: 07:00-08:15
frontend: {apiPaths: [/api/*], oldVersionRetentionDays: 12, priceClass: PriceClass_All}
monitoring: {logRetentionDays: 90, alarmEmails: [on.call@example.org]}
`

func TestEverySettingOfAFileReachesItsResources(t *testing.T) {
	t.Parallel()
	s := extremes(t).stack(t, "elsewhere")
	absent := "absent"
	type row struct {
		setting, address string
		path             []any
		want             any
	}
	at := func(path ...any) []any { return path }
	rows := []row{
		{"account", "aws_s3_bucket.frontend", at("bucket"), "starttech-elsewhere-frontend-999999999999"},
		{"region", "aws_vpc_endpoint.s3_endpoint", at("service_name"), "com.amazonaws.us-west-2.s3"},
		{"repository", "aws_launch_template.backend_launch_template", at("tag_specifications", 0, "tags", "repository"), "someone/fork"},
		{"applicationRepository", "aws_iam_role.release_role", at("description"), "GitHub Actions of someone/app.web: releases to elsewhere"},
		{"deletionProtection", "aws_lb.load_balancer", at("enable_deletion_protection"), false},
		{"domain.name", "aws_route53_record.alias_ipv4", at("name"), "shop.example.org"},
		{"domain.hostedZoneId", "aws_route53_record.alias_ipv4", at("zone_id"), "Z999"},

		{"network.cidr", "aws_vpc.network", at("cidr_block"), "10.9.0.0/20"},
		{"network.availabilityZones", "aws_subnet.private_d", at("availability_zone"), "us-west-2d"},
		{"network.availabilityZones", "aws_subnet.private_d", at("cidr_block"), "10.9.4.0/24"},
		{"network.natGateways", "aws_nat_gateway.nat_b", nil, absent},
		{"network.interfaceEndpoints", "aws_vpc_endpoint.logs_endpoint", at("vpc_endpoint_type"), "Interface"},
		{"network.flowLogs", "aws_flow_log.flow_logs", nil, absent},
		{"network.sshCidrs", "aws_vpc_security_group_ingress_rule.instances_ssh_from_192_0_2_0_25", at("cidr_ipv4"), "192.0.2.0/25"},

		{"loadBalancer.healthCheckPath", "aws_lb_target_group.backend_targets", at("health_check", "path"), "/up"},
		{"loadBalancer.healthCheckIntervalSeconds", "aws_lb_target_group.backend_targets", at("health_check", "interval"), 17.0},
		{"loadBalancer.deregistrationDelaySeconds", "aws_lb_target_group.backend_targets", at("deregistration_delay"), "45"},

		{"backend.amazonLinux", "data.aws_ssm_parameter.amazon_linux", at("name"), "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"},
		{"backend.instanceType", "aws_launch_template.backend_launch_template", at("instance_type"), "m5.large"},
		{"backend.minSize", "aws_autoscaling_group.backend", at("min_size"), 3.0},
		{"backend.maxSize", "aws_autoscaling_group.backend", at("max_size"), 9.0},
		{"backend.desiredCapacity", "aws_autoscaling_group.backend", at("desired_capacity"), 4.0},
		{"backend.targetCpuPercent", "aws_autoscaling_policy.backend_cpu", at("target_tracking_configuration", "target_value"), 35.0},
		{"backend.spotPercent", "aws_autoscaling_group.backend", at("mixed_instances_policy", "instances_distribution", "on_demand_percentage_above_base_capacity"), 60.0},
		{"backend.rootVolumeGiB", "aws_launch_template.backend_launch_template", at("block_device_mappings", 0, "ebs", "volume_size"), 20.0},
		{"backend.warmupSeconds", "aws_autoscaling_group.backend", at("health_check_grace_period"), 120.0},
		{"backend.warmupSeconds", "aws_autoscaling_group.backend", at("default_instance_warmup"), 120.0},
		{"backend.warmupSeconds", "aws_autoscaling_group.backend", at("instance_refresh", "preferences", "instance_warmup"), "120"},
		{"backend.sessionManager", "aws_iam_role_policy.instance_session_manager", nil, absent},

		{"cache.nodeType", "aws_elasticache_replication_group.redis", at("node_type"), "cache.m5.large"},
		{"cache.engineVersion", "aws_elasticache_replication_group.redis", at("engine_version"), "7.0"},
		{"cache.replicas", "aws_elasticache_replication_group.redis", at("num_cache_clusters"), 3.0},
		{"cache.snapshotRetentionDays", "aws_elasticache_replication_group.redis", at("snapshot_retention_limit"), 5.0},
		{"cache.transitEncryption", "aws_elasticache_replication_group.redis", at("transit_encryption_mode"), "required"},
		{"cache.maintenanceWindow", "aws_elasticache_replication_group.redis", at("maintenance_window"), "tue:05:00-tue:06:30"},
		{"cache.snapshotWindow", "aws_elasticache_replication_group.redis", at("snapshot_window"), "07:00-08:15"},

		{"frontend.apiPaths", "aws_cloudfront_distribution.frontend_distribution", at("ordered_cache_behavior", 1, "path_pattern"), "/api/*"},
		{"frontend.apiPaths", "aws_cloudfront_distribution.frontend_distribution", at("ordered_cache_behavior", 2), nil},
		{"frontend.oldVersionRetentionDays", "aws_s3_bucket_lifecycle_configuration.frontend_lifecycle", at("rule", 0, "noncurrent_version_expiration", 0, "noncurrent_days"), 12.0},
		{"frontend.priceClass", "aws_cloudfront_distribution.frontend_distribution", at("price_class"), "PriceClass_All"},

		{"monitoring.logRetentionDays", "aws_cloudwatch_log_group.backend_logs", at("retention_in_days"), 90.0},
		{"monitoring.alarmEmails", "aws_sns_topic_subscription.alarms_to_on_call_at_example_org", at("endpoint"), "on.call@example.org"},
	}

	tested := []string{
		"registry.keepImages", "registry.untaggedDays", // below
		"oidcProvider", // in bootstrap: TestGitHubsProviderIsMadeUnlessTheAccountHasIt
	}
	for _, row := range rows {
		tested = append(tested, row.setting)
		t.Run(row.setting, func(t *testing.T) {
			if row.want != absent {
				s.resource(t, row.address).want(t, row.want, row.path...)
			} else if s.has(row.address) {
				t.Errorf("there is %s", row.address)
			}
		})
	}
	expiry := s.resource(t, "aws_ecr_lifecycle_policy.backend_images_lifecycle").text("policy")
	for setting, days := range map[string]int{"registry.keepImages": 11, "registry.untaggedDays": 3} {
		if !strings.Contains(expiry, fmt.Sprintf(`"countNumber":%d}`, days)) {
			t.Errorf("%s does not reach %s", setting, expiry)
		}
	}
	for _, setting := range settings("", reflect.TypeFor[config.Environment]()) {
		if !slices.Contains(tested, setting) {
			t.Errorf("nothing tests that %s reaches a resource", setting)
		}
	}
}

// settings is every key that a file may have: "network.cidr".
func settings(prefix string, of reflect.Type) []string {
	var all []string
	for i := range of.NumField() {
		key, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		kind := of.Field(i).Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		switch {
		case key == "-":
		case kind.Kind() == reflect.Struct:
			all = append(all, settings(prefix+key+".", kind)...)
		default:
			all = append(all, prefix+key)
		}
	}
	return all
}
