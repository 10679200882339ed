package cost

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Components. Those in camel case are blocks of the environment file (docs/configuration.md).
const (
	backend      = "backend"
	backup       = "backup"
	budget       = "budget"
	cache        = "cache"
	database     = "database"
	domain       = "domain"
	firewall     = "firewall"
	frontend     = "frontend"
	guardDuty    = "guardDuty"
	loadBalancer = "loadBalancer"
	monitoring   = "monitoring"
	network      = "network"
	registry     = "registry"
	shield       = "shield"
	tracing      = "tracing"

	buckets    = "S3 buckets" // what several blocks use
	functions  = "Lambda functions"
	keys       = "KMS keys"
	parameters = "SSM parameters"
	queues     = "SQS queues"
	secrets    = "secrets"
	state      = "Terraform state"
)

// pricers has how a resource is charged for, by its type.
var pricers = map[string]func(*bill, Resource){
	"aws_autoscaling_group":             (*bill).group,
	"aws_elasticache_replication_group": (*bill).nodes,

	"aws_lb": func(b *bill, r Resource) {
		if kind := r.text("load_balancer_type"); kind != "" && kind != "application" {
			b.noPrice["load balancer of type "+label(kind)] = true
			return
		}
		b.fixed(loadBalancer, 1, balancerHour)
		if !r.is("internal") { // it has an address in each zone
			b.fixed(loadBalancer, max(r.size("subnets"), r.size("subnet_mapping")), addressHour)
		}
		b.use(loadBalancer, capacityHour)
	},

	"aws_nat_gateway": func(b *bill, r Resource) {
		b.fixed(network, 1, natHour)
		b.use(network, natGB, outGB)
	},
	"aws_eip":    func(b *bill, r Resource) { b.fixed(network, 1, addressHour) },
	"aws_subnet": func(b *bill, r Resource) { b.use(network, zonesGB) },
	"aws_vpc_endpoint": func(b *bill, r Resource) {
		if kind := r.text("vpc_endpoint_type"); kind == "" || kind == "Gateway" { // free: https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html
			return
		}
		component := network
		if strings.Contains(r.text("service_name"), ".vpce-svc-") { // of another company
			component = database
		}
		b.fixed(component, r.size("subnet_ids"), endpointHour)
		b.use(component, endpointGB)
	},
	"aws_vpc_peering_connection":          func(b *bill, r Resource) { b.use(database, peeringGB) },
	"aws_vpc_peering_connection_accepter": func(b *bill, r Resource) { b.use(database, peeringGB) },

	"aws_cloudfront_distribution": func(b *bill, r Resource) { b.use(frontend, viewerGB, viewerRequest, invalidation) },
	"aws_cloudfront_function":     func(b *bill, r Resource) { b.use(frontend, functionRun) },
	"aws_s3_bucket":               func(b *bill, r Resource) { b.use(buckets, objectGB, putThousand, getThousand) },
	"aws_ecr_repository":          func(b *bill, r Resource) { b.use(registry, imageGB) },
	"aws_dynamodb_table": func(b *bill, r Resource) {
		b.use(state, lockWrite, lockRead, tableGB)
		if r.block("point_in_time_recovery").is("enabled") {
			b.use(state, recoveryGB)
		}
	},

	"aws_cloudwatch_log_group":    func(b *bill, r Resource) { b.use(monitoring, logsGB, archiveGB) },
	"aws_cloudwatch_log_delivery": func(b *bill, r Resource) { b.use(monitoring, vendedGB) },
	"aws_flow_log":                func(b *bill, r Resource) { b.use(monitoring, vendedGB) },
	"aws_cloudwatch_metric_alarm": func(b *bill, r Resource) {
		b.fixed(monitoring, metricsOf(r), alarmMonth)
	},
	"aws_cloudwatch_composite_alarm":   func(b *bill, r Resource) { b.fixed(monitoring, 1, compositeMonth) },
	"aws_cloudwatch_dashboard":         func(b *bill, r Resource) { b.fixed(monitoring, 1, dashboardMonth) },
	"aws_cloudwatch_log_metric_filter": func(b *bill, r Resource) { b.fixed(monitoring, 1, metricMonth) },
	"aws_synthetics_canary":            func(b *bill, r Resource) { b.use(monitoring, canaryRun) },
	"aws_sns_topic":                    func(b *bill, r Resource) { b.use(monitoring, emails) },
	"aws_sqs_queue":                    func(b *bill, r Resource) { b.use(queues, queueRequest) },
	"aws_lambda_function":              func(b *bill, r Resource) { b.use(functions, lambdaRun, lambdaGB) },

	"aws_kms_key":         (*bill).key,
	"aws_kms_replica_key": (*bill).key,
	"aws_secretsmanager_secret": func(b *bill, r Resource) {
		b.fixed(secrets, 1, secretMonth)
		b.use(secrets, secretRequest)
	},
	"aws_ssm_parameter": func(b *bill, r Resource) {
		if r.text("tier") == "Advanced" {
			b.fixed(parameters, 1, advancedMonth)
		}
	},

	"aws_route53_zone": func(b *bill, r Resource) {
		b.fixed(domain, 1, zoneMonth)
		b.use(domain, queries)
	},
	"aws_route53_health_check": func(b *bill, r Resource) { b.fixed(domain, 1, checkMonth) },

	"aws_wafv2_web_acl": func(b *bill, r Resource) {
		b.fixed(firewall, 1, aclMonth)
		b.fixed(firewall, r.size("rule"), ruleMonth) // a managed rule group is one
		b.use(firewall, inspected)
	},
	"aws_wafv2_web_acl_logging_configuration": func(b *bill, r Resource) { b.use(firewall, vendedGB) },
	"aws_shield_subscription": func(b *bill, r Resource) {
		b.fixed(shield, 1, shieldMonth)
		b.use(shield, shieldGB)
	},
	"aws_guardduty_detector": func(b *bill, r Resource) { b.use(guardDuty, trailEvents, analyzedGB) },
	"aws_guardduty_detector_feature": func(b *bill, r Resource) {
		if r.text("status") != "DISABLED" {
			b.notes["GuardDuty's protection plan "+label(r.text("name"))+" costs by its use, and is not in the table of prices"] = true
		}
	},
	"aws_budgets_budget_action": func(b *bill, r Resource) { b.fixed(budget, 1, actionMonth) },
	"aws_backup_vault":          func(b *bill, r Resource) { b.use(backup, vaultGB) },
	"aws_xray_sampling_rule":    func(b *bill, r Resource) { b.use(tracing, traces, tracesRead) },
	"aws_xray_group":            func(b *bill, r Resource) { b.use(tracing, traces, tracesRead) },
	"aws_autoscaling_schedule": func(b *bill, r Resource) {
		b.notes["scheduled actions change the number of instances; the sum has minSize of them"] = true
	},
}

// free are the types of resources that cost nothing by themselves.
var free = []string{
	"aws_acm_certificate", // a public one
	"aws_acm_certificate_validation",
	"aws_autoscaling_attachment",
	"aws_autoscaling_lifecycle_hook",
	"aws_autoscaling_notification",
	"aws_autoscaling_policy",
	"aws_backup_plan",
	"aws_backup_selection",
	"aws_backup_vault_lock_configuration",
	"aws_backup_vault_notifications",
	"aws_backup_vault_policy",
	"aws_budgets_budget", // its notifications cost nothing; actions are resources of their own
	"aws_ce_anomaly_monitor",
	"aws_ce_anomaly_subscription",
	"aws_cloudfront_cache_policy",
	"aws_cloudfront_origin_access_control",
	"aws_cloudfront_origin_access_identity",
	"aws_cloudfront_origin_request_policy",
	"aws_cloudfront_response_headers_policy",
	"aws_cloudfront_vpc_origin",
	"aws_cloudwatch_event_rule", // events of AWS's services cost nothing
	"aws_cloudwatch_event_target",
	"aws_cloudwatch_log_account_policy",
	"aws_cloudwatch_log_delivery_destination",
	"aws_cloudwatch_log_delivery_destination_policy",
	"aws_cloudwatch_log_delivery_source",
	"aws_cloudwatch_log_resource_policy",
	"aws_cloudwatch_query_definition",
	"aws_default_network_acl",
	"aws_default_security_group",
	"aws_ebs_encryption_by_default",
	"aws_ecr_lifecycle_policy",
	"aws_ecr_repository_policy",
	"aws_elasticache_parameter_group",
	"aws_elasticache_subnet_group",
	"aws_elasticache_user",
	"aws_elasticache_user_group",
	"aws_elasticache_user_group_association",
	"aws_iam_instance_profile",
	"aws_iam_openid_connect_provider",
	"aws_iam_policy",
	"aws_iam_role",
	"aws_iam_role_policy",
	"aws_iam_role_policy_attachment",
	"aws_iam_service_linked_role",
	"aws_internet_gateway",
	"aws_kms_alias",
	"aws_kms_key_policy",
	"aws_lambda_alias",
	"aws_lambda_function_event_invoke_config",
	"aws_lambda_permission",
	"aws_launch_template", // a part of the Auto Scaling group
	"aws_lb_listener",
	"aws_lb_listener_certificate",
	"aws_lb_listener_rule",
	"aws_lb_target_group",
	"aws_network_acl",
	"aws_network_acl_rule",
	"aws_route",
	"aws_route53_key_signing_key",
	"aws_route53_hosted_zone_dnssec",
	"aws_route53_record",
	"aws_route_table",
	"aws_route_table_association",
	"aws_s3_bucket_acl",
	"aws_s3_bucket_lifecycle_configuration",
	"aws_s3_bucket_logging",
	"aws_s3_bucket_ownership_controls",
	"aws_s3_bucket_policy",
	"aws_s3_bucket_public_access_block",
	"aws_s3_bucket_server_side_encryption_configuration",
	"aws_s3_bucket_versioning",
	"aws_s3_bucket_website_configuration",
	"aws_secretsmanager_secret_policy",
	"aws_secretsmanager_secret_rotation", // the function is a resource of its own
	"aws_secretsmanager_secret_version",
	"aws_security_group",
	"aws_shield_application_layer_automatic_response",
	"aws_shield_drt_access_log_bucket_association",
	"aws_shield_drt_access_role_arn_association",
	"aws_shield_proactive_engagement",
	"aws_shield_protection", // a part of the subscription
	"aws_shield_protection_group",
	"aws_shield_protection_health_check_association",
	"aws_sns_topic_policy",
	"aws_sns_topic_subscription",
	"aws_sqs_queue_policy",
	"aws_vpc",
	"aws_vpc_endpoint_policy",
	"aws_vpc_peering_connection_options",
	"aws_vpc_security_group_egress_rule",
	"aws_vpc_security_group_ingress_rule",
	"aws_wafv2_ip_set",
	"aws_wafv2_regex_pattern_set",
	"aws_wafv2_rule_group",
	"aws_wafv2_web_acl_association",
	"aws_xray_encryption_config",
	"terraform_data",
}

func isFree(kind string) bool { return slices.Contains(free, kind) }

// detailedMetrics is how many metrics of an instance are charged for with detailed monitoring
// (https://aws.amazon.com/cloudwatch/pricing/, example 1).
const detailedMetrics = 7

// group adds an Auto Scaling group: its instances, their volumes and their metrics. The sum has minSize of them.
func (b *bill) group(r Resource) {
	n, hasLeast := r.number("min_size")
	most, hasMost := r.number("max_size")
	template, found := b.template(r)
	if !hasLeast || !hasMost || !found {
		b.noPrice["the instances of "+label(r.Address)] = true
		return
	}
	for _, action := range b.resources {
		if action.Type != "aws_autoscaling_schedule" || !r.isOf(action.text("autoscaling_group_name")) {
			continue
		}
		for _, name := range []string{"min_size", "max_size", "desired_capacity"} {
			size, _ := action.number(name) // -1: it does not change
			most = max(most, size)
		}
	}

	kind := template.text("instance_type")
	hourly, ok := instanceRates[kind]
	if ok {
		monthly := rates{hourly.onDemand * hoursPerMonth, hourly.oneYear * hoursPerMonth, hourly.threeYears * hoursPerMonth}
		b.add(key{backend, kind}, line{n, most, b.onDemand(r, n), monthly, instanceSource})
	} else {
		b.noPrice["instances of type "+label(kind)] = true
	}
	for _, mapping := range template.blocks("block_device_mappings") {
		volume := mapping.block("ebs")
		size, _ := volume.number("volume_size")
		p, ok := map[string]*price{"gp2": gp2Month, "gp3": gp3Month}[volume.text("volume_type")]
		if !ok {
			b.noPrice["volumes of type "+label(volume.text("volume_type"))] = true
			continue
		}
		b.between(backend, n*size, most*size, p)
	}
	if template.block("monitoring").is("enabled") {
		b.between(monitoring, n*detailedMetrics, most*detailedMetrics, detailedMonth)
	}
	if template.block("credit_specification").text("cpu_credits") == "unlimited" {
		b.use(backend, creditHour)
	}
}

// template returns the launch template of a group. In the plan of a new one, it has no id yet.
func (b *bill) template(group Resource) (template Resource, ok bool) {
	specification := group.block("launch_template")
	if mixed := group.block("mixed_instances_policy"); mixed.Values != nil {
		specification = mixed.block("launch_template").block("launch_template_specification")
	}
	var all []Resource
	for _, each := range b.resources {
		if each.Type != "aws_launch_template" {
			continue
		}
		all = append(all, each)
		if each.isOf(specification.text("id")) || each.isOf(specification.text("launch_template_id")) {
			return each, true
		}
	}
	if len(all) != 1 {
		return Resource{}, false
	}
	return all[0], true
}

// onDemand returns how many of n instances of a group are On-Demand Instances. AWS rounds up
// (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstancesDistribution.html).
func (b *bill) onDemand(group Resource, n float64) float64 {
	mixed := group.block("mixed_instances_policy")
	if mixed.Values == nil {
		return n
	}
	distribution := mixed.block("instances_distribution")
	base, _ := distribution.number("on_demand_base_capacity")
	percent, ok := distribution.number("on_demand_percentage_above_base_capacity")
	if !ok {
		percent = 100 // AWS's default
	}
	if percent < 100 {
		b.notes["Spot Instances are counted as On-Demand Instances, because AWS changes their price all the time"] = true
	}
	return min(n, base+math.Ceil(max(0, n-base)*percent/100))
}

// nodes adds the nodes of a replication group.
func (b *bill) nodes(r Resource) {
	n, ok := r.number("num_cache_clusters")
	if groups, sharded := r.number("num_node_groups"); sharded && groups > 0 && (!ok || groups > 1) {
		replicas, _ := r.number("replicas_per_node_group")
		n, ok = groups*(1+replicas), true
	}
	kind, engine := r.text("node_type"), r.text("engine")
	hourly, known := nodeRates[kind]
	source, hours := nodeSource, float64(hoursPerMonth)
	if engine == "valkey" {
		source, hours = valkeySource, hoursPerMonth*valkeyShare
	}
	switch {
	case !ok:
		b.noPrice["the nodes of "+label(r.Address)] = true
	case !known || engine != "redis" && engine != "valkey":
		b.noPrice[fmt.Sprintf("nodes of type %s with %s", label(kind), label(engine))] = true
	default:
		monthly := rates{hourly.onDemand * hours, hourly.oneYear * hours, hourly.threeYears * hours}
		b.add(key{cache, kind}, line{n, n, n, monthly, source})
	}
	if days, _ := r.number("snapshot_retention_limit"); days > 0 {
		b.use(cache, backupGB)
	}
}

func (b *bill) key(r Resource) {
	b.fixed(keys, 1, keyMonth)
	b.use(keys, keyRequest)
	if r.is("enable_key_rotation") {
		b.use(keys, keyRotation)
	}
}

// metricsOf returns how many metrics an alarm has: AWS charges for each one of an expression
// (https://aws.amazon.com/cloudwatch/pricing/).
func metricsOf(alarm Resource) (n float64) {
	for _, query := range alarm.blocks("metric_query") {
		if query.block("metric").Values != nil {
			n++
		}
	}
	return max(n, 1)
}

// label returns a value of a resource as it can be printed: one of a reasonable length, with printable characters only. Any other is not
// shown at all, so that a part of a secret cannot be in it.
func label(value string) string {
	const longest = 60
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	if value == "" || len(value) > longest || strings.ContainsFunc(value, unprintable) {
		return "(unknown)"
	}
	return value
}
