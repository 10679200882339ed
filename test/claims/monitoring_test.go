package claims

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

// metrics is the metrics of an alarm, each with namespace, name, dimensions, statistic and period.
func metrics(alarm resource) []resource {
	if alarm.Text("metric_name") != "" {
		return []resource{{
			"namespace": alarm.Get("namespace"), "metric_name": alarm.Get("metric_name"), "dimensions": alarm.Get("dimensions"),
			"stat": alarm.Get("statistic"), "period": alarm.Get("period"),
		}}
	}
	var all []resource
	queries, _ := alarm.Get("metric_query").([]any)
	for i := 1; i < len(queries); i++ { // the first one is the expression
		all = append(all, alarm.Get("metric_query", i, "metric").(map[string]any))
	}
	return all
}

// condition describes an alarm: "Sum of AWS/ApplicationELB RequestCount < 10 in 10 min, missing data is breaching".
func condition(t *testing.T, alarm resource) string {
	t.Helper()
	operator := map[string]string{"GreaterThanThreshold": ">", "LessThanThreshold": "<"}[alarm.Text("comparison_operator")]
	periods, _ := alarm.Get("evaluation_periods").(float64)
	var terms, fills []string
	period := 0.0
	for i, m := range metrics(alarm) {
		terms = append(terms, fmt.Sprintf("%s of %s %s", m.Text("stat"), m.Text("namespace"), m.Text("metric_name")))
		fills = append(fills, fmt.Sprintf("FILL(m%d, 0)", i+1))
		period, _ = m.Get("period").(float64)
	}
	if len(terms) > 1 { // each metric without data counts as 0
		alarm.Want(t, strings.Join(fills, " + "), "metric_query", 0, "expression")
		alarm.Want(t, true, "metric_query", 0, "return_data")
	}
	return fmt.Sprintf("%s %s %v in %v min, missing data is %s", strings.Join(terms, " + "), operator, alarm.Get("threshold"), periods*period/60, alarm.Text("treat_missing_data"))
}

func TestAlarms(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		want := map[string]string{
			// The architecture document's.
			"high_error_rate":    "Sum of AWS/ApplicationELB HTTPCode_Target_5XX_Count + Sum of AWS/ApplicationELB HTTPCode_ELB_5XX_Count > 10 in 10 min, missing data is notBreaching",
			"high_response_time": "Average of AWS/ApplicationELB TargetResponseTime > 2 in 5 min, missing data is notBreaching",
			"high_cpu":           "Average of AWS/EC2 CPUUtilization > 80 in 5 min, missing data is notBreaching",
			"low_request_count":  "Sum of AWS/ApplicationELB RequestCount < 10 in 10 min, missing data is breaching",
			// Without registered targets, the metric has no data.
			"unhealthy_hosts": fmt.Sprintf("Minimum of AWS/ApplicationELB HealthyHostCount < %d in 10 min, missing data is breaching", e.Backend.MinSize),
		}
		if e.Backend.CPUCredits == "unlimited" && isBurstable(e.Backend.InstanceType) {
			want["charged_cpu_credits"] = "Maximum of AWS/EC2 CPUSurplusCreditsCharged > 0 in 60 min, missing data is notBreaching"
		}
		if e.Backend.InstanceMetrics {
			want["high_memory"] = "Maximum of " + e.NamePrefix() + " mem_used_percent > 90 in 5 min, missing data is notBreaching"
			want["high_disk"] = "Maximum of " + e.NamePrefix() + " disk_used_percent > 85 in 5 min, missing data is notBreaching"
		}
		if e.Domain != nil {
			want["certificate_expires"] = "Minimum of AWS/CertificateManager DaysToExpiry < 30 in 1440 min, missing data is notBreaching"
		}
		cpu := "CPUUtilization > 45" // 90 % of one of two cores
		if strings.Contains(e.Cache.NodeType, "xlarge") {
			cpu = "EngineCPUUtilization > 90"
		}
		for node := 1; node <= 1+e.Cache.Replicas; node++ {
			want[fmt.Sprintf("redis_memory_%d", node)] = "Average of AWS/ElastiCache DatabaseMemoryUsagePercentage > 80 in 5 min, missing data is notBreaching"
			want[fmt.Sprintf("redis_cpu_%d", node)] = "Average of AWS/ElastiCache " + cpu + " in 5 min, missing data is notBreaching"
		}
		if e.Secrets != nil {
			want["secret_rotation"] = "Sum of AWS/Lambda Errors > 0 in 5 min, missing data is notBreaching"
		}
		if e.Backup != nil {
			want["backup_failed"] = "Sum of AWS/Backup NumberOfBackupJobsFailed + Sum of AWS/Backup NumberOfBackupJobsAborted + Sum of AWS/Backup NumberOfBackupJobsExpired + Sum of AWS/Backup NumberOfRecoveryPointsExpired > 0 in 60 min, missing data is notBreaching"
			want["backup_missed"] = fmt.Sprintf("Sum of AWS/Backup NumberOfBackupJobsCompleted < 1 in %d min, missing data is breaching", 60*(24*e.Backup.DaysBetween()+6))
		}
		if e.Firewall != nil {
			want["edge_blocked_requests"] = "Sum of AWS/WAFV2 BlockedRequests > 100 in 5 min, missing data is notBreaching"
			want["origin_blocked_requests"] = want["edge_blocked_requests"]
		}
		got := map[string]string{}
		for address, alarm := range s.OfType("aws_cloudwatch_metric_alarm") {
			id := strings.TrimPrefix(address, "aws_cloudwatch_metric_alarm.")
			got[id] = condition(t, alarm)
			alarm.Want(t, e.NamePrefix()+"-"+strings.ReplaceAll(id, "_", "-"), "alarm_name")
			alarm.Want(t, nil, "actions_enabled") // the default: true
			for _, actions := range []string{"alarm_actions", "ok_actions"} {
				equal(t, id+" "+actions, alarm.Strings(actions), refs("arn", topicOf(s, alarm)))
			}
			if alarm.Text("alarm_description") == "" {
				t.Errorf("%s has no description", id)
			}
		}
		equal(t, "alarms", got, want)
	})
}

// topicOf is the topic in the region of an alarm.
func topicOf(s stack, alarm resource) string {
	if alarm.Get("provider") != nil && s.Environment().Region != "us-east-1" {
		return "aws_sns_topic.edge_alarms"
	}
	return "aws_sns_topic.alarms"
}

// wantDimension checks a dimension of an alarm or a graph. With a whole ARN, a metric has no data.
var redisNode = regexp.MustCompile(`^\$\{element\(sort\(tolist\(aws_elasticache_replication_group\.redis\.member_clusters\)\), [0-5]\)\}$`)

func wantDimension(t *testing.T, s stack, where, name, value string) {
	t.Helper()
	want := map[string]string{
		"LoadBalancer":         ref(loadBalancer(s), "arn_suffix"),
		"TargetGroup":          ref("aws_lb_target_group.backend_targets", "arn_suffix"),
		"AutoScalingGroupName": ref("aws_autoscaling_group.backend", "name"),
		"CertificateArn":       ref("aws_acm_certificate_validation.load_balancer_certificate_validation", "certificate_arn"), // of the alarms' region
		"FunctionName":         ref("aws_lambda_function.rotation", "function_name"),
		"BackupVaultName":      "starttech", // of another stack
	}[name]
	if name == "WebACL" || name == "Rule" || name == "Region" {
		wantFirewallDimension(t, where, name, value)
		return
	}
	if name == "CacheClusterId" { // a node that there is, whatever its number
		want = redisNode.FindString(value)
	}
	if value != want || want == "" {
		t.Errorf("%s: dimension %s is %q, want %q", where, name, value, want)
	}
}

// wantFirewallDimension checks a dimension of AWS WAF. ALL is every rule of the web ACL.
func wantFirewallDimension(t *testing.T, where, name, value string) {
	t.Helper()
	valid := map[string]*regexp.Regexp{
		"WebACL": regexp.MustCompile(`^starttech-.*-(edge|origin)$`), "Rule": regexp.MustCompile(`^ALL$`), "Region": regexp.MustCompile(`^[a-z]+-[a-z]+-\d$`),
	}[name]
	if !valid.MatchString(value) {
		t.Errorf("%s: dimension %s is %q", where, name, value)
	}
}

// graph is a widget of the dashboard.
type graph struct {
	X, Y, Width, Height int
	Properties          struct {
		Title, Region string
		Metrics       [][]any // namespace, name, dimension, value, ..., options
	}
}

func graphs(t *testing.T, s stack) []graph {
	t.Helper()
	_, dashboard := s.Only(t, "aws_cloudwatch_dashboard")
	var body struct{ Widgets []graph }
	if err := json.Unmarshal([]byte(dashboard.Text("dashboard_body")), &body); err != nil {
		t.Fatal(err)
	}
	return body.Widgets
}

// dashboardMetrics is every metric on the dashboard: "AWS/EC2 CPUUtilization".
func dashboardMetrics(t *testing.T, s stack) []string {
	t.Helper()
	var all []string
	for _, graph := range graphs(t, s) {
		for _, line := range graph.Properties.Metrics {
			all = append(all, fmt.Sprint(line[0], " ", line[1]))
		}
	}
	return all
}

func TestDimensionsAreTheValuesThatMetricsHave(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, alarm := range s.OfType("aws_cloudwatch_metric_alarm") {
			for _, m := range metrics(alarm) {
				dimensions, _ := m.Get("dimensions").(map[string]any)
				if len(dimensions) == 0 {
					t.Errorf("%s watches the whole region", address)
				}
				for name, value := range dimensions {
					wantDimension(t, s, address, name, value.(string))
				}
			}
		}
		for _, graph := range graphs(t, s) {
			for _, line := range graph.Properties.Metrics {
				for i := 2; i+1 < len(line); i += 2 {
					wantDimension(t, s, graph.Properties.Title, line[i].(string), line[i+1].(string))
				}
			}
		}
	})
}

func TestTheDashboardShowsTheDocumentsMetricsAndThoseOfTheAlarms(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		want := []string{
			"AWS/EC2 CPUUtilization", "AWS/EC2 NetworkIn", "AWS/EC2 NetworkOut",
			"AWS/EC2 DiskReadBytes", "AWS/EC2 DiskWriteBytes", "AWS/EC2 EBSReadBytes", "AWS/EC2 EBSWriteBytes",
			"AWS/ApplicationELB RequestCount", "AWS/ApplicationELB TargetResponseTime",
			"AWS/ApplicationELB HTTPCode_Target_2XX_Count", "AWS/ApplicationELB HTTPCode_Target_4XX_Count",
			"AWS/ApplicationELB HTTPCode_Target_5XX_Count",
			"AWS/ApplicationELB HTTPCode_ELB_4XX_Count", "AWS/ApplicationELB HTTPCode_ELB_5XX_Count",
			"AWS/AutoScaling GroupMinSize", "AWS/AutoScaling GroupMaxSize", "AWS/AutoScaling GroupDesiredCapacity",
			"AWS/AutoScaling GroupInServiceInstances",
		}
		for _, alarm := range s.OfType("aws_cloudwatch_metric_alarm") {
			for _, m := range metrics(alarm) {
				want = append(want, m.Text("namespace")+" "+m.Text("metric_name"))
			}
		}
		shown := dashboardMetrics(t, s)
		for _, metric := range want {
			if !slices.Contains(shown, metric) {
				t.Errorf("the dashboard does not show %s", metric)
			}
		}
		// The group publishes only the metrics that are enabled.
		_, group := s.Only(t, "aws_autoscaling_group")
		for _, metric := range shown {
			if name, ok := strings.CutPrefix(metric, "AWS/AutoScaling "); ok && !slices.Contains(group.Strings("enabled_metrics"), name) {
				t.Errorf("%s is not enabled", name)
			}
		}
	})
}

func TestGraphsDoNotOverlap(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		all := graphs(t, s)
		for i, a := range all {
			if a.Properties.Title == "" || a.Properties.Region != regionOf(s, a) || a.X+a.Width > 24 {
				t.Errorf("graph %+v", a)
			}
			for _, b := range all[:i] {
				if a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height {
					t.Errorf("%s overlaps %s", a.Properties.Title, b.Properties.Title)
				}
			}
		}
	})
}

// regionOf is where the metrics of a graph are. Those of CloudFront's web ACL are in us-east-1.
func regionOf(s stack, g graph) string {
	if strings.HasSuffix(fmt.Sprint(g.Properties.Metrics[0][3]), "-edge") {
		return "us-east-1"
	}
	return s.Environment().Region
}

// And EventBridge, if findings of GuardDuty are notified.
func TestOnlyAlarmsOfTheAccountPublishToTheEncryptedTopic(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		topics := map[string]string{"alarms": s.Environment().Region}
		if e := s.Environment(); e.Firewall != nil && e.Region != "us-east-1" {
			topics["edge_alarms"] = "us-east-1"
		}
		equal(t, "number of topics", len(s.OfType("aws_sns_topic")), len(topics))
		for id, region := range topics {
			wantTopic(t, s, id, region)
		}
	})
}

// wantTopic requires that only alarms of the account and the region publish to a topic, and EventBridge to that of all alarms.
func wantTopic(t *testing.T, s stack, id, region string) {
	t.Helper()
	e := s.Environment()
	fromAlarms := map[string]map[string][]string{
		"StringEquals": {"aws:SourceAccount": {e.Account}},
		"ArnLike":      {"aws:SourceArn": {"arn:aws:cloudwatch:" + region + ":" + e.Account + ":alarm:*"}},
	}
	cloudWatch, eventBridge := map[string][]string{"Service": {"cloudwatch.amazonaws.com"}}, map[string][]string{"Service": {"events.amazonaws.com"}}
	// publishers are the statement of the alarms, and that of EventBridge, which supports no condition.
	publishers := func(alarms statement) []statement {
		events := alarms
		events.Sid, events.Principal, events.Condition = "AllowEventBridge", eventBridge, nil
		if e.GuardDuty == nil || id != "alarms" {
			return []statement{alarms}
		}
		return []statement{alarms, events}
	}
	policy := s.Resource(t, "aws_sns_topic_policy."+id+"_policy")
	policy.Want(t, ref("aws_sns_topic."+id, "arn"), "arn")
	equal(t, "policy of the topic", policy.Statements(t, "policy"), publishers(statement{
		Sid: "AllowCloudWatchAlarms", Effect: "Allow", Principal: cloudWatch, Action: []string{"sns:Publish"}, Resource: refs("arn", "aws_sns_topic."+id), Condition: fromAlarms,
	}))
	topic := s.Resource(t, "aws_sns_topic."+id)
	key := s.Resource(t, addressOf(topic.Text("kms_master_key_id")))
	equal(t, "policy of its key", key.Statements(t, "policy"), append([]statement{{
		Sid: "EnableIAMUserPermissions", Effect: "Allow", Principal: map[string][]string{"AWS": {"arn:aws:iam::" + e.Account + ":root"}}, Action: []string{"kms:*"}, Resource: []string{"*"},
	}, {
		Sid: "AllowDeployToSetUp", Effect: "Allow", Principal: map[string][]string{"AWS": {config.DeployRoleARN(e.Account)}},
		Action: []string{"kms:CreateAlias", "kms:EnableKeyRotation", "kms:PutKeyPolicy"}, Resource: []string{"*"},
	}}, publishers(statement{
		Sid: "AllowCloudWatchAlarms", Effect: "Allow", Principal: cloudWatch, Action: []string{"kms:Decrypt", "kms:GenerateDataKey*"}, Resource: []string{"*"}, Condition: fromAlarms,
	})...))
}

func TestTheRecipientsInTheFileAreSubscribed(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		recipients := map[string][]string{}
		for address, subscription := range s.OfType("aws_sns_topic_subscription") {
			subscription.Want(t, "email", "protocol")
			topic := addressOf(subscription.Text("topic_arn"))
			recipients[topic] = append(recipients[topic], subscription.Text("endpoint"))
			equal(t, "address", address, "aws_sns_topic_subscription."+strings.TrimPrefix(topic, "aws_sns_topic.")+"_to_"+config.IDSafe(subscription.Text("endpoint")))
		}
		for topic := range s.OfType("aws_sns_topic") {
			equalSets(t, "recipients of "+topic, recipients[topic], s.Environment().Monitoring.AlarmEmails)
			delete(recipients, topic)
		}
		equal(t, "subscriptions to other topics", len(recipients), 0)
	})
}
