package claims

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// reach is the claim that a setting reaches a resource.
type reach struct {
	setting string
	row
}

// absent is what a row wants if there is to be no such resource.
const absent = "absent"

// reaches is by environment, of the variants, the optional components or the extremes. The environment "elsewhere" has no setting with its default value.
var reaches = map[string][]reach{
	"everything": {
		{"schedule.actions", row{"aws_autoscaling_schedule.schedule_office_hours", at("recurrence"), "0 8 * * MON-FRI"}},
		{"schedule.actions", row{"aws_autoscaling_schedule.schedule_office_hours", at("time_zone"), "Europe/Dublin"}},
		{"schedule.actions", row{"aws_autoscaling_schedule.schedule_office_hours", at("min_size"), 4.0}},
		{"schedule.actions", row{"aws_autoscaling_schedule.schedule_office_hours", at("max_size"), -1.0}}, // stays as it is
		{"schedule.actions", row{"aws_autoscaling_schedule.schedule_sale", at("start_time"), "2099-11-26T08:00:00Z"}},
		{"schedule.actions", row{"aws_autoscaling_schedule.schedule_sale", at("desired_capacity"), 4.0}},
		{"database.privateLink.serviceName", row{"aws_vpc_endpoint.database_endpoint", at("service_name"), "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0"}},
		{"database.peering.connectionId", row{"aws_vpc_peering_connection_accepter.database_peering", at("vpc_peering_connection_id"), "pcx-0123456789abcdef0"}},
		{"database.peering.cidr", row{"aws_route.private_b_to_database", at("destination_cidr_block"), "192.168.248.0/21"}},
		{"backend.instanceTypes", row{"aws_autoscaling_group.backend", at("mixed_instances_policy", "launch_template", "override", 1, "instance_type"), "t3a.micro"}},
		{"backend.instanceMetrics", row{"aws_cloudwatch_metric_alarm.high_memory", at("metric_name"), "mem_used_percent"}},
		{"tracing.reservoirPerSecond", row{"aws_xray_sampling_rule.traces_of_requests", at("reservoir_size"), 2.0}},
		{"tracing.ratePercent", row{"aws_xray_sampling_rule.traces_of_requests", at("fixed_rate"), 0.1}},
		{"tracing.insights", row{"aws_xray_group.traces", at("insights_configuration", "insights_enabled"), true}},
		{"guardDuty.detector", row{"aws_guardduty_detector.guardduty", at("enable"), true}},
		{"guardDuty.protections", row{"aws_guardduty_detector_feature.guardduty_s3_data_events", at("status"), "ENABLED"}},
		{"guardDuty.protections", row{"aws_guardduty_detector_feature.guardduty_rds_login_events", at("status"), "DISABLED"}},
		{"guardDuty.runtimeAgents", row{"aws_guardduty_detector_feature.guardduty_runtime_monitoring_ec2", at("additional_configuration", 0, "status"), "ENABLED"}},
		{"guardDuty.findingPublishingFrequency", row{"aws_guardduty_detector.guardduty", at("finding_publishing_frequency"), "FIFTEEN_MINUTES"}},
		{"budget.monthlyUsd", row{"aws_budgets_budget.budget", at("limit_amount"), "500"}},
		{"budget.emails", row{"aws_budgets_budget.budget", at("notification", 0, "subscriber_email_addresses", 1), "ops@example.com"}},
		{"budget.costs", row{"aws_budgets_budget.budget", at("cost_filter", 0, "values", 0), "user:project$starttech"}},
		{"budget.anomalies.thresholdUsd", row{"aws_ce_anomaly_subscription.anomalies_by_email", at("threshold_expression", "dimension", "values", 0), "50"}},

		{"domain.createZone", row{"data.aws_route53_zone.hosted_zone", at("name"), "example.com"}},
		{"domain.createZone", row{"aws_route53_record.alias_ipv4", at("zone_id"), ref("data.aws_route53_zone.hosted_zone", "zone_id")}},
		{"domain.www", row{"aws_route53_record.alias_www_ipv4", at("name"), "www.example.com"}},
		{"domain.caa", row{"aws_route53_record.caa", at("type"), "CAA"}},

		{"network.privateOrigin", row{"aws_lb.private_load_balancer", at("internal"), true}},
		{"network.privateOrigin", row{"aws_lb.load_balancer", nil, absent}},

		{"frontend.oldVersionsStorageClass", row{"aws_s3_bucket_lifecycle_configuration.frontend_lifecycle", at("rule", 0, "noncurrent_version_transition", 0, "storage_class"), "STANDARD_IA"}},
		{"frontend.oldVersionsStorageDays", row{"aws_s3_bucket_lifecycle_configuration.frontend_lifecycle", at("rule", 0, "noncurrent_version_transition", 0, "noncurrent_days"), 45.0}},
		{"frontend.contentSecurityPolicy", row{"aws_cloudfront_response_headers_policy.security_headers", at("security_headers_config", "content_security_policy", "content_security_policy"), "default-src 'self'; img-src 'self' data:"}},
		{"frontend.contentSecurityPolicy", row{"aws_cloudfront_response_headers_policy.security_headers", at("security_headers_config", "content_security_policy", "override"), true}},
		{"frontend.accessLogs", row{"aws_cloudwatch_log_delivery_source.cloudfront_logs_source", at("resource_arn"), ref(distribution, "arn")}},
		{"secrets.rotationDays", row{"aws_secretsmanager_secret_rotation.jwt_rotation", at("rotation_rules", "automatically_after_days"), 7.0}},
		{"secrets.rotationDays", row{"aws_secretsmanager_secret_rotation.redis_rotation", at("rotation_rules", "automatically_after_days"), 7.0}},
		{"cache.auth", row{"aws_elasticache_replication_group.redis", at("user_group_ids", 0), "${aws_elasticache_user_group.redis_users.id}"}},
		{"shield.subscription", row{"aws_shield_protection.distribution_protection", at("name"), "starttech-everything-distribution"}},
		{"shield.acceptPriceAndCommitment", row{"aws_shield_protection.load_balancer_protection", nil, absent}}, // it is private
		{"firewall.mode", row{"aws_wafv2_web_acl.edge_web_acl", at("rule", 0, "action", "block", "custom_response", "response_code"), 429.0}},
		{"firewall.rateLimit", row{"aws_wafv2_web_acl.edge_web_acl", at("rule", 0, "statement", "rate_based_statement", "limit"), 1000.0}},
		{"firewall.overrides", row{"aws_wafv2_web_acl.edge_web_acl", at("rule", 1, "statement", "managed_rule_group_statement", "rule_action_override", 0, "name"), "AWSManagedIPDDoSList"}},
		{"firewall.logs.retentionDays", row{"aws_cloudwatch_log_group.edge_firewall_logs", at("retention_in_days"), 60.0}},
		{"firewall.logs.requests", row{"aws_wafv2_web_acl_logging_configuration.origin_firewall_logging", at("logging_filter", "default_behavior"), "DROP"}},
	},
	"guardduty": {
		{"guardDuty.detector", row{"aws_guardduty_detector.guardduty", nil, absent}},
	},
	"budget": {
		{"budget.costs", row{"aws_budgets_budget.budget", at("cost_filter"), nil}}, // account
		{"budget.anomalies.monitorArn", row{"aws_ce_anomaly_monitor.anomalies", nil, absent}},
		{"budget.anomalies.monitorArn", row{
			"aws_ce_anomaly_subscription.anomalies_by_email", at("monitor_arn_list", 0), "arn:aws:ce::200000000005:anomalymonitor/3cb2a6bd-0000-4000-8000-000000000000",
		}},
	},
	"bootstrap-200000000008": { // of backup
		{"backup.schedule", row{"aws_backup_plan.backup_plan", at("rule", 0, "schedule"), "cron(15 0/6 ? * 2-7 *)"}},
		{"backup.retentionDays", row{"aws_backup_plan.backup_plan", at("rule", 0, "lifecycle", "delete_after"), 30.0}},
		{"backup.kmsKey", row{"aws_backup_vault.backup_vault", at("kms_key_arn"), ref("aws_kms_key.backup_key", "arn")}},
		{"backup.vaultLock.minRetentionDays", row{"aws_backup_vault_lock_configuration.backup_lock", at("min_retention_days"), 14.0}},
		{"backup.vaultLock.maxRetentionDays", row{"aws_backup_vault_lock_configuration.backup_lock", at("max_retention_days"), 365.0}},
		{"backup.vaultLock.mode", row{"aws_backup_vault_lock_configuration.backup_lock", at("changeable_for_days"), 7.0}},
		{"backup.vaultLock.graceDays", row{"aws_backup_vault_lock_configuration.backup_lock", at("changeable_for_days"), 7.0}},
		{"backup.copyToRegion", row{"aws_backup_plan.backup_plan", at("rule", 0, "copy_action", 0, "destination_vault_arn"), ref("aws_backup_vault.backup_copy_eu_central_1_vault", "arn")}},
		{"backup.copyRetentionDays", row{"aws_backup_plan.backup_plan", at("rule", 0, "copy_action", 0, "lifecycle", "delete_after"), 14.0}},
	},
	"valkey": {
		{"cache.engine", row{"aws_elasticache_replication_group.redis", at("engine"), "valkey"}},
		{"cache.engineVersion", row{"aws_elasticache_replication_group.redis", at("engine_version"), "8.0"}}, // the default of valkey
		{"cache.restoreFrom", row{"aws_elasticache_replication_group.redis", at("snapshot_name"), "before-valkey"}},
		{"cache.finalSnapshot", row{"aws_elasticache_replication_group.redis", at("final_snapshot_identifier"), "last-of-valkey"}},
	},
	"elsewhere": {
		{"account", row{"aws_s3_bucket.frontend", at("bucket"), "starttech-elsewhere-frontend-999999999999"}},
		{"region", row{"aws_vpc_endpoint.s3_endpoint", at("service_name"), "com.amazonaws.us-west-2.s3"}},
		{"repository", row{"aws_launch_template.backend_launch_template", at("tag_specifications", 0, "tags", "repository"), "someone/fork"}},
		{"applicationRepository", row{"aws_iam_role.release_role", at("description"), "GitHub Actions of someone/app.web: releases to elsewhere"}},
		{"deletionProtection", row{"aws_lb.load_balancer", at("enable_deletion_protection"), false}},
		{"domain.name", row{"aws_route53_record.alias_ipv4", at("name"), "shop.example.org"}},
		{"domain.hostedZoneId", row{"aws_route53_record.alias_ipv4", at("zone_id"), "Z999"}},

		{"network.cidr", row{"aws_vpc.network", at("cidr_block"), "10.9.0.0/20"}},
		{"network.availabilityZones", row{"aws_subnet.private_d", at("availability_zone"), "us-west-2d"}},
		{"network.availabilityZones", row{"aws_subnet.private_d", at("cidr_block"), "10.9.4.0/24"}},
		{"network.natGateways", row{"aws_nat_gateway.nat_b", nil, absent}},
		{"network.interfaceEndpoints", row{"aws_vpc_endpoint.logs_endpoint", at("vpc_endpoint_type"), "Interface"}},
		{"network.flowLogs", row{"aws_flow_log.flow_logs", nil, absent}},
		{"network.sshCidrs", row{"aws_vpc_security_group_ingress_rule.instances_ssh_from_192_0_2_0_25", at("cidr_ipv4"), "192.0.2.0/25"}},

		{"loadBalancer.healthCheckPath", row{"aws_lb_target_group.backend_targets", at("health_check", "path"), "/up"}},
		{"loadBalancer.healthCheckIntervalSeconds", row{"aws_lb_target_group.backend_targets", at("health_check", "interval"), 17.0}},
		{"loadBalancer.deregistrationDelaySeconds", row{"aws_lb_target_group.backend_targets", at("deregistration_delay"), "45"}},

		{"backend.imageId", row{"aws_launch_template.backend_launch_template", at("image_id"), "ami-12345678"}},
		{"backend.imageId", row{"data.aws_ssm_parameter.amazon_linux", nil, absent}},
		{"backend.instanceType", row{"aws_launch_template.backend_launch_template", at("instance_type"), "t3a.large"}},
		{"backend.cpuCredits", row{"aws_launch_template.backend_launch_template", at("credit_specification", "cpu_credits"), "standard"}},
		{"backend.cpuCredits", row{"aws_cloudwatch_metric_alarm.charged_cpu_credits", nil, absent}},
		{"backend.minSize", row{"aws_autoscaling_group.backend", at("min_size"), 3.0}},
		{"backend.maxSize", row{"aws_autoscaling_group.backend", at("max_size"), 9.0}},
		{"backend.desiredCapacity", row{"aws_autoscaling_group.backend", at("desired_capacity"), 4.0}},
		{"backend.targetCpuPercent", row{"aws_autoscaling_policy.backend_cpu", at("target_tracking_configuration", "target_value"), 35.0}},
		{"backend.spotPercent", row{"aws_autoscaling_group.backend", at("mixed_instances_policy", "instances_distribution", "on_demand_percentage_above_base_capacity"), 60.0}},
		{"backend.rootVolumeGiB", row{"aws_launch_template.backend_launch_template", at("block_device_mappings", 0, "ebs", "volume_size"), 20.0}},
		{"backend.warmupSeconds", row{"aws_autoscaling_group.backend", at("health_check_grace_period"), 120.0}},
		{"backend.warmupSeconds", row{"aws_autoscaling_group.backend", at("default_instance_warmup"), 120.0}},
		{"backend.warmupSeconds", row{"aws_autoscaling_group.backend", at("instance_refresh", "preferences", "instance_warmup"), "120"}},
		{"backend.sessionManager", row{"aws_iam_role_policy.instance_session_manager", nil, absent}},
		{"backend.containerCredentials", row{"aws_launch_template.backend_launch_template", at("metadata_options", "http_put_response_hop_limit"), 2.0}},

		{"cache.nodeType", row{"aws_elasticache_replication_group.redis", at("node_type"), "cache.m5.large"}},
		{"cache.engineVersion", row{"aws_elasticache_replication_group.redis", at("engine_version"), "7.0"}},
		{"cache.replicas", row{"aws_elasticache_replication_group.redis", at("num_cache_clusters"), 3.0}},
		{"cache.snapshotRetentionDays", row{"aws_elasticache_replication_group.redis", at("snapshot_retention_limit"), 5.0}},
		{"cache.transitEncryption", row{"aws_elasticache_replication_group.redis", at("transit_encryption_mode"), "required"}},
		{"cache.maintenanceWindow", row{"aws_elasticache_replication_group.redis", at("maintenance_window"), "tue:05:00-tue:06:30"}},
		{"cache.snapshotWindow", row{"aws_elasticache_replication_group.redis", at("snapshot_window"), "07:00-08:15"}},

		{"frontend.apiPaths", row{"aws_cloudfront_distribution.frontend_distribution", at("ordered_cache_behavior", 1, "path_pattern"), "/api/*"}},
		{"frontend.apiPaths", row{"aws_cloudfront_distribution.frontend_distribution", at("ordered_cache_behavior", 2), nil}},
		{"frontend.oldVersionRetentionDays", row{"aws_s3_bucket_lifecycle_configuration.frontend_lifecycle", at("rule", 0, "noncurrent_version_expiration", 0, "noncurrent_days"), 12.0}},
		{"frontend.originAccess", row{"aws_cloudfront_distribution.frontend_distribution", at("origin", 0, "origin_access_control_id"), ref("aws_cloudfront_origin_access_control.frontend_origin_access_control", "id")}},
		{"frontend.priceClass", row{"aws_cloudfront_distribution.frontend_distribution", at("price_class"), "PriceClass_All"}},

		{"monitoring.logRetentionDays", row{"aws_cloudwatch_log_group.backend_logs", at("retention_in_days"), 90.0}},
		{"monitoring.logRetentionDays", row{"aws_cloudwatch_log_group.access_logs", at("retention_in_days"), 90.0}},
		{"monitoring.alarmEmails", row{"aws_sns_topic_subscription.alarms_to_on_call_at_example_org", at("endpoint"), "on.call@example.org"}},
	},
	"modern": { // elsewhere has an imageId, which takes precedence
		{"backend.amazonLinux", row{"data.aws_ssm_parameter.amazon_linux", at("name"), "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"}},
	},
}

func TestEverySettingReachesItsResources(t *testing.T) {
	tested := []string{
		"registry.keepImages", "registry.untaggedDays", // below
		"repositoryId", "applicationRepositoryId", // TestRolesTrustTheRepositoriesOfTheFile
		"oidcProvider", // TestGitHubsProviderIsCreatedUnlessTheAccountHasIt
		"state.lock",   // TestTheStateIsEncryptedAndLockedInTheAccountsBucket
	}
	for environment, rows := range reaches {
		output := harness.Variants(t)
		for _, other := range []harness.Output{harness.Extremes(t), harness.Components(t)} {
			if _, ok := other.Stacks[environment]; ok {
				output = other
			}
		}
		e := output.Stack(t, environment)
		account := output.Stack(t, config.BootstrapStackOf(e.Environment().Account, e.AllEnvironments()))
		for _, r := range rows {
			tested = append(tested, r.setting)
			t.Run(r.setting, func(t *testing.T) {
				s := e
				if account.Has(r.address) {
					s = account
				}
				if r.want != absent {
					r.check(t, s)
				} else if s.Has(r.address) {
					t.Errorf("there is %s", r.address)
				}
			})
		}
	}
	policy := harness.Extremes(t).Stack(t, "elsewhere").Resource(t, "aws_ecr_lifecycle_policy.backend_images_lifecycle").Text("policy")
	for setting, number := range map[string]int{"registry.keepImages": 11, "registry.untaggedDays": 3} {
		if !strings.Contains(policy, fmt.Sprintf(`"countNumber":%d}`, number)) {
			t.Errorf("%s does not reach %s", setting, policy)
		}
	}
	for setting := range config.Changes() {
		// The keys of an item are tested with their list.
		if !strings.Contains(setting, "[]") && !slices.Contains(tested, setting) {
			t.Errorf("no test that %s reaches a resource", setting)
		}
	}
}

// What docs/architecture.md says of production.
func TestProductionIsTheArchitectureDocuments(t *testing.T) {
	s := production(t)
	for claim, r := range map[string]row{
		"VPC 10.0.0.0/16":                     {"aws_vpc.network", at("cidr_block"), "10.0.0.0/16"},
		"instance type t3.micro":              {"aws_launch_template.backend_launch_template", at("instance_type"), "t3.micro"},
		"AMI Amazon Linux 2":                  {"data.aws_ssm_parameter.amazon_linux", at("name"), "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2"},
		"root volume GP2":                     {"aws_launch_template.backend_launch_template", at("block_device_mappings", 0, "ebs", "volume_type"), "gp2"},
		"root volume 8 GB":                    {"aws_launch_template.backend_launch_template", at("block_device_mappings", 0, "ebs", "volume_size"), 8.0},
		"min size 2":                          {"aws_autoscaling_group.backend", at("min_size"), 2.0},
		"max size 5":                          {"aws_autoscaling_group.backend", at("max_size"), 5.0},
		"desired capacity 2":                  {"aws_autoscaling_group.backend", at("desired_capacity"), 2.0},
		"health checks every 30 seconds":      {"aws_lb_target_group.backend_targets", at("health_check", "interval"), 30.0},
		"health check without MongoDB":        {"aws_lb_target_group.backend_targets", at("health_check", "path"), "/ping"},
		"connection draining":                 {"aws_lb_target_group.backend_targets", at("deregistration_delay"), "60"},
		"log group of the application":        {"aws_cloudwatch_log_group.backend_logs", at("name"), "/starttech/production/backend"},
		"log group of the ALB's access logs":  {"aws_cloudwatch_log_group.access_logs", at("name"), "/starttech/production/alb/access"},
		"log group of the flow logs":          {"aws_cloudwatch_log_group.flow_logs_group", at("name"), "/starttech/production/vpc/flow"},
		"retention 30 days":                   {"aws_cloudwatch_log_group.backend_logs", at("retention_in_days"), 30.0},
		"Redis for the backend's client":      {"aws_elasticache_replication_group.redis", at("transit_encryption_mode"), "preferred"},
		"Redis snapshots":                     {"aws_elasticache_replication_group.redis", at("snapshot_retention_limit"), 7.0},
		"Redis snapshots before the weekly":   {"aws_elasticache_replication_group.redis", at("snapshot_window"), "01:00-02:00"},
		"Redis maintenance on Sunday morning": {"aws_elasticache_replication_group.redis", at("maintenance_window"), "sun:03:00-sun:04:00"},
		"no credentials for the container":    {"aws_launch_template.backend_launch_template", at("metadata_options", "http_put_response_hop_limit"), 1.0},
		"time to boot":                        {"aws_autoscaling_group.backend", at("health_check_grace_period"), 300.0},
		"scaling by CPU":                      {"aws_autoscaling_policy.backend_cpu", at("target_tracking_configuration", "target_value"), 60.0},
		"edge locations of the cheapest class": {
			"aws_cloudfront_distribution.frontend_distribution", at("price_class"), "PriceClass_100",
		},
	} {
		t.Run(claim, func(t *testing.T) { r.check(t, s) })
	}
}

// fixed is settings that are the same in every environment.
var fixed = []row{
	{"aws_vpc.network", at("enable_dns_support"), true},
	{"aws_vpc.network", at("enable_dns_hostnames"), true},
	{"aws_default_security_group.network_default_group", at("ingress"), nil}, // allows nothing
	{"aws_default_security_group.network_default_group", at("egress"), nil},
	{"aws_default_security_group.network_default_group", at("vpc_id"), ref("aws_vpc.network", "id")},

	{"aws_lb_target_group.backend_targets", at("protocol"), "HTTP"},
	{"aws_lb_target_group.backend_targets", at("port"), 8080.0},
	{"aws_lb_target_group.backend_targets", at("target_type"), nil}, // the default: instances
	{"aws_lb_target_group.backend_targets", at("health_check", "matcher"), "200"},
	{"aws_lb_target_group.backend_targets", at("health_check", "timeout"), 5.0}, // less than any interval, which is 10 or more
	{"aws_lb_target_group.backend_targets", at("health_check", "healthy_threshold"), 2.0},
	{"aws_lb_target_group.backend_targets", at("health_check", "unhealthy_threshold"), 3.0},
	{"aws_lb_listener.http", at("port"), 80.0},
	{"aws_lb_listener.http", at("protocol"), "HTTP"},

	{"aws_cloudfront_distribution.frontend_distribution", at("enabled"), true},
	{"aws_cloudfront_distribution.frontend_distribution", at("is_ipv6_enabled"), true},
	{"aws_cloudfront_distribution.frontend_distribution", at("default_root_object"), "index.html"},
	{"aws_cloudfront_distribution.frontend_distribution", at("restrictions", "geo_restriction", "restriction_type"), "none"},
	{"aws_cloudfront_function.client_side_routes", at("publish"), true},
	{"aws_cloudfront_function.client_side_routes", at("runtime"), "cloudfront-js-2.0"},
	{"aws_cloudfront_response_headers_policy.security_headers", at("security_headers_config", "strict_transport_security", "access_control_max_age_sec"), 31536000.0},
	{"aws_cloudfront_response_headers_policy.security_headers", at("security_headers_config", "strict_transport_security", "override"), true},
	{"aws_cloudfront_response_headers_policy.security_headers", at("security_headers_config", "content_type_options", "override"), true},
	{"aws_cloudfront_response_headers_policy.security_headers", at("security_headers_config", "frame_options", "frame_option"), "DENY"},
	{"aws_cloudfront_response_headers_policy.security_headers", at("security_headers_config", "frame_options", "override"), true},
	{"aws_cloudfront_response_headers_policy.security_headers", at("security_headers_config", "referrer_policy", "referrer_policy"), "strict-origin-when-cross-origin"},
	{"aws_s3_bucket_website_configuration.frontend_website", at("index_document", "suffix"), "index.html"},
	{"aws_s3_bucket_website_configuration.frontend_website", at("error_document", "key"), "index.html"},
	{"aws_s3_bucket_website_configuration.frontend_website", at("bucket"), ref("aws_s3_bucket.frontend", "id")},

	{"aws_launch_template.backend_launch_template", at("key_name"), nil}, // Session Manager, no key pair
	{"aws_launch_template.backend_launch_template", at("block_device_mappings", 0, "device_name"), "/dev/xvda"},
	{"aws_launch_template.backend_launch_template", at("block_device_mappings", 0, "ebs", "encrypted"), "true"},
	{"aws_launch_template.backend_launch_template", at("block_device_mappings", 0, "ebs", "delete_on_termination"), "true"},
	{"aws_launch_template.backend_launch_template", at("network_interfaces", 0, "associate_public_ip_address"), "false"},
	{"aws_launch_template.backend_launch_template", at("network_interfaces", 0, "delete_on_termination"), "true"},
	{"aws_launch_template.backend_launch_template", at("network_interfaces", 1), nil},
	{"aws_launch_template.backend_launch_template", at("monitoring", "enabled"), true}, // CPU utilization every minute
	{"aws_launch_template.backend_launch_template", at("metadata_options", "http_tokens"), "required"},
	{"aws_launch_template.backend_launch_template", at("metadata_options", "http_endpoint"), "enabled"},
	{"aws_autoscaling_group.backend", at("health_check_type"), "ELB"},
	{"aws_autoscaling_group.backend", at("protect_from_scale_in"), nil}, // a refresh does not replace protected instances
	{"aws_autoscaling_group.backend", at("instance_refresh", "strategy"), "Rolling"},
	{"aws_autoscaling_group.backend", at("instance_refresh", "preferences", "min_healthy_percentage"), 100.0},
	{"aws_autoscaling_group.backend", at("instance_refresh", "preferences", "max_healthy_percentage"), 150.0},
	{"aws_autoscaling_group.backend", at("instance_refresh", "preferences", "auto_rollback"), false}, // it would roll back to the new template
	{"aws_autoscaling_policy.backend_cpu", at("policy_type"), "TargetTrackingScaling"},
	{"aws_autoscaling_policy.backend_cpu", at("autoscaling_group_name"), ref("aws_autoscaling_group.backend", "name")},
	{"aws_autoscaling_policy.backend_cpu", at("target_tracking_configuration", "disable_scale_in"), nil},
	{"aws_autoscaling_policy.backend_cpu", at("target_tracking_configuration", "predefined_metric_specification", "predefined_metric_type"), "ASGAverageCPUUtilization"},

	{"aws_elasticache_replication_group.redis", at("port"), 6379.0},
	{"aws_elasticache_replication_group.redis", at("at_rest_encryption_enabled"), "true"},
	{"aws_elasticache_replication_group.redis", at("apply_immediately"), true},
	{"aws_elasticache_replication_group.redis", at("auto_minor_version_upgrade"), "true"},
	{"aws_ecr_repository.backend_images", at("image_scanning_configuration", "scan_on_push"), true},
	{"aws_ecr_repository.backend_images", at("image_tag_mutability"), "IMMUTABLE"},
	{"aws_ecr_repository.backend_images", at("encryption_configuration", 0, "encryption_type"), "AES256"},
	{"aws_ssm_parameter.release", at("insecure_value"), "none"},
	{"aws_ssm_parameter.release", at("allowed_pattern"), "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"}, // a Docker tag
	{"aws_kms_key.alarms_key", at("enable_key_rotation"), true},
}

func TestFixedSettings(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for _, r := range fixed {
			r.check(t, s)
		}
		row{loadBalancer(s), at("load_balancer_type"), "application"}.check(t, s)
		row{loadBalancer(s), at("drop_invalid_header_fields"), true}.check(t, s)
	})
}

func TestTheLockTableAndTheStateBucketSurvive(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		for _, r := range []row{
			{"aws_dynamodb_table.state_lock", at("hash_key"), "LockID"},
			{"aws_dynamodb_table.state_lock", at("attribute", 0, "name"), "LockID"},
			{"aws_dynamodb_table.state_lock", at("attribute", 0, "type"), "S"},
			{"aws_dynamodb_table.state_lock", at("billing_mode"), "PAY_PER_REQUEST"},
			{"aws_dynamodb_table.state_lock", at("point_in_time_recovery", "enabled"), true},
			{"aws_dynamodb_table.state_lock", at("deletion_protection_enabled"), true},
			{"aws_dynamodb_table.state_lock", at("lifecycle", "prevent_destroy"), true},
			{"aws_s3_bucket.state", at("lifecycle", "prevent_destroy"), true},
			{"aws_s3_bucket.state", at("force_destroy"), false},
		} {
			r.check(t, s)
		}
	})
}
