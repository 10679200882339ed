package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// watched says in words what an alarm watches: "Sum of AWS/ApplicationELB RequestCount < 10 in 10 min".
func watched(alarm resource) string {
	operator := map[string]string{"GreaterThanThreshold": ">", "LessThanThreshold": "<"}[alarm.text("comparison_operator")]
	periods, _ := alarm.get("evaluation_periods").(float64)
	what, period := "", 0.0
	if metric := alarm.text("metric_name"); metric != "" {
		what = alarm.text("statistic") + " of " + alarm.text("namespace") + " " + metric
		period, _ = alarm.get("period").(float64)
	} else {
		// The first query is the sum of the others; each counts 0 where it is silent.
		queries, _ := alarm.get("metric_query").([]any)
		var metrics, fills []string
		for i := 1; i < len(queries); i++ {
			query := resource(queries[i].(map[string]any))
			metrics = append(metrics, query.text("metric", "stat")+" of "+query.text("metric", "namespace")+" "+query.text("metric", "metric_name"))
			fills = append(fills, "FILL("+query.text("id")+", 0)")
			period, _ = query.get("metric", "period").(float64)
		}
		if alarm.text("metric_query", 0, "expression") == strings.Join(fills, " + ") && alarm.get("metric_query", 0, "return_data") == true {
			what = strings.Join(metrics, " + ")
		}
	}
	return fmt.Sprintf("%s %s %v in %v min", what, operator, alarm.get("threshold"), periods*period/60)
}

func TestTheFourAlarmsOfTheDocument(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for id, want := range map[string]string{
			"high_error_rate":    "Sum of AWS/ApplicationELB HTTPCode_Target_5XX_Count + Sum of AWS/ApplicationELB HTTPCode_ELB_5XX_Count > 10 in 10 min",
			"high_response_time": "Average of AWS/ApplicationELB TargetResponseTime > 2 in 5 min",
			"high_cpu":           "Average of AWS/EC2 CPUUtilization > 80 in 5 min",
			"low_request_count":  "Sum of AWS/ApplicationELB RequestCount < 10 in 10 min",
		} {
			alarm := s.resource(t, "aws_cloudwatch_metric_alarm."+id)
			equal(t, id, watched(alarm), want)
			alarm.want(t, "starttech-"+s.name+"-"+strings.ReplaceAll(id, "_", "-"), "alarm_name")
		}
	})
}

func TestTheAlarmsThatAnOperatorWouldMiss(t *testing.T) {
	for name, nodes := range map[string]int{"production": 2, "staging": 1} { // and as many instances at the least
		s := variant(t, name)
		want := map[string]string{"unhealthy_hosts": fmt.Sprintf("Minimum of AWS/ApplicationELB HealthyHostCount < %d in 10 min", nodes)}
		for node := 1; node <= nodes; node++ {
			want[fmt.Sprintf("redis_memory_%d", node)] = "Average of AWS/ElastiCache DatabaseMemoryUsagePercentage > 80 in 5 min"
			want[fmt.Sprintf("redis_cpu_%d", node)] = "Average of AWS/ElastiCache CPUUtilization > 80 in 5 min"
		}
		for id, watch := range want {
			equal(t, name+" "+id, watched(s.resource(t, "aws_cloudwatch_metric_alarm."+id)), watch)
		}
		if total := len(s.ofType("aws_cloudwatch_metric_alarm")); total != 4+len(want) {
			t.Errorf("%s has %d alarms, want %d", name, total, 4+len(want))
		}
	}
}

func TestMissingDataRaisesTheLowRequestAlarmAndTheUnhealthyHostsAlarm(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, alarm := range s.ofType("aws_cloudwatch_metric_alarm") {
			want := "notBreaching"
			switch address {
			case "aws_cloudwatch_metric_alarm.low_request_count", "aws_cloudwatch_metric_alarm.unhealthy_hosts":
				want = "breaching"
			}
			if got := alarm.text("treat_missing_data"); got != want {
				t.Errorf("%s treats missing data as %q", address, got)
			}
		}
	})
}

func TestAnAlarmSpeaksUpWhenItStartsAndWhenItEnds(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		topic := refs("arn", "aws_sns_topic.alarms")
		for address, alarm := range s.ofType("aws_cloudwatch_metric_alarm") {
			equal(t, address, alarm.strings("alarm_actions"), topic)
			equal(t, address, alarm.strings("ok_actions"), topic)
			alarm.want(t, nil, "actions_enabled") // true, unless said otherwise
			if alarm.text("alarm_description") == "" {
				t.Errorf("%s does not say what is wrong", address)
			}
		}
	})
}

// wantDimension checks a dimension of an alarm or a graph. A whole ARN there makes a metric that never has data.
func wantDimension(t *testing.T, where, name, value string) {
	t.Helper()
	want := map[string]string{
		"LoadBalancer":         ref("aws_lb.load_balancer", "arn_suffix"),
		"TargetGroup":          ref("aws_lb_target_group.backend_targets", "arn_suffix"),
		"AutoScalingGroupName": ref("aws_autoscaling_group.backend", "name"),
		"CacheClusterId":       ref("aws_elasticache_replication_group.redis", "id") + "-00" + value[len(value)-1:],
	}[name]
	if value != want {
		t.Errorf("%s: dimension %s is %q, want %q", where, name, value, want)
	}
}

func TestDimensionsAreTheNamesThatMetricsHave(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, alarm := range s.ofType("aws_cloudwatch_metric_alarm") {
			sets := []any{alarm.get("dimensions")}
			queries, _ := alarm.get("metric_query").([]any)
			for i := 1; i < len(queries); i++ {
				sets = append(sets, alarm.get("metric_query", i, "metric", "dimensions"))
			}
			found := 0
			for _, set := range sets {
				dimensions, _ := set.(map[string]any)
				for name, value := range dimensions {
					wantDimension(t, address, name, value.(string))
					found++
				}
			}
			if found == 0 {
				t.Errorf("%s watches the whole region", address)
			}
		}
		for _, graph := range s.graphs(t) {
			for _, line := range graph.Properties.Metrics {
				for i := 2; i+1 < len(line); i += 2 {
					wantDimension(t, graph.Properties.Title, line[i].(string), line[i+1].(string))
				}
			}
		}
	})
}

// graph is a widget of the dashboard.
type graph struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title, Region string
		Metrics       [][]any // namespace, name, dimension, value, ..., options
	}
}

func (s stack) graphs(t *testing.T) []graph {
	t.Helper()
	_, dashboard := s.only(t, "aws_cloudwatch_dashboard")
	var body struct{ Widgets []graph }
	if err := json.Unmarshal([]byte(dashboard.text("dashboard_body")), &body); err != nil {
		t.Fatal(err)
	}
	return body.Widgets
}

// shown is every metric on the dashboard: "AWS/EC2 CPUUtilization".
func (s stack) shown(t *testing.T) []string {
	t.Helper()
	var shown []string
	for _, graph := range s.graphs(t) {
		for _, line := range graph.Properties.Metrics {
			shown = append(shown, fmt.Sprint(line[0], " ", line[1]))
		}
	}
	return shown
}

func TestTheDashboardShowsEveryMetricOfTheDocument(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		shown := s.shown(t)
		for _, metric := range []string{
			"AWS/EC2 CPUUtilization", "AWS/EC2 NetworkIn", "AWS/EC2 NetworkOut",
			"AWS/EC2 DiskReadBytes", "AWS/EC2 DiskWriteBytes", "AWS/EC2 EBSReadBytes", "AWS/EC2 EBSWriteBytes",
			"AWS/ApplicationELB RequestCount", "AWS/ApplicationELB TargetResponseTime",
			"AWS/ApplicationELB HTTPCode_Target_2XX_Count", "AWS/ApplicationELB HTTPCode_Target_4XX_Count",
			"AWS/ApplicationELB HTTPCode_Target_5XX_Count",
			"AWS/ApplicationELB HTTPCode_ELB_4XX_Count", "AWS/ApplicationELB HTTPCode_ELB_5XX_Count",
			"AWS/AutoScaling GroupMinSize", "AWS/AutoScaling GroupMaxSize", "AWS/AutoScaling GroupDesiredCapacity",
			"AWS/AutoScaling GroupInServiceInstances",
		} {
			if !slices.Contains(shown, metric) {
				t.Errorf("the dashboard lacks %s", metric)
			}
		}
	})
}

func TestTheDashboardShowsWhatAnyAlarmWatches(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		shown := s.shown(t)
		for address, alarm := range s.ofType("aws_cloudwatch_metric_alarm") {
			watched := []string{alarm.text("namespace") + " " + alarm.text("metric_name")}
			if queries, _ := alarm.get("metric_query").([]any); len(queries) > 0 {
				watched = nil
				for i := 1; i < len(queries); i++ {
					watched = append(watched, alarm.text("metric_query", i, "metric", "namespace")+" "+alarm.text("metric_query", i, "metric", "metric_name"))
				}
			}
			for _, metric := range watched {
				if !slices.Contains(shown, metric) {
					t.Errorf("%s sends the operator to a dashboard without %s", address, metric)
				}
			}
		}
	})
}

func TestTheGroupPublishesTheMetricsThatTheDashboardShows(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, group := s.only(t, "aws_autoscaling_group")
		for _, metric := range s.shown(t) {
			if name, ok := strings.CutPrefix(metric, "AWS/AutoScaling "); ok && !slices.Contains(group.strings("enabled_metrics"), name) {
				t.Errorf("%s is not enabled", name)
			}
		}
	})
}

func TestNoGraphCoversAnother(t *testing.T) {
	graphs := production(t).graphs(t)
	for i, a := range graphs {
		if a.Properties.Title == "" || a.Properties.Region != "eu-west-1" || a.X+a.Width > 24 {
			t.Errorf("graph %+v", a)
		}
		for _, b := range graphs[:i] {
			if a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height {
				t.Errorf("%s covers %s", a.Properties.Title, b.Properties.Title)
			}
		}
	}
}
