package monitoring

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchmetricalarm"
)

// alarm is what differs between two alarms.
type alarm struct {
	id          string
	name        string
	description string
	metric      metric
	errors      []metric // instead of metric: their sum
	above       float64  // fires above this value ...
	below       float64  // ... or, where it is set, below this one
	seconds     int      // the window
	points      int      // how many windows in a row have to fire; 0 is 1
	silence     string   // what missing data means: "notBreaching" or "breaching"
}

const (
	fine     = "notBreaching"
	breaches = "breaching"
)

const minute = 60 // seconds

// newAlarms creates the four alarms of the architecture document, with its thresholds and windows, and those that
// an operator would miss. Missing data is breaching for two of them. Without requests, the site may be unreachable. Without
// registered targets, the load balancer publishes no HealthyHostCount
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html).
func newAlarms(scope constructs.Construct, c Config, topicARN *string, m metrics) {
	alarms := []alarm{{
		id: "high_error_rate", name: "high-error-rate",
		description: "More than 10 5XX responses in 10 minutes, by the instances or by the load balancer itself",
		errors:      []metric{m.target5XX, m.balancer5XX},
		above:       10, seconds: 10 * minute, silence: fine,
	}, {
		id: "high_response_time", name: "high-response-time",
		description: "Responses take more than 2 seconds on average",
		metric:      m.responseTime,
		above:       2, seconds: 5 * minute, silence: fine,
	}, {
		id: "high_cpu", name: "high-cpu",
		description: "More than 80% CPU utilization of the instances for 5 minutes",
		metric:      m.cpu,
		above:       80, seconds: 5 * minute, silence: fine,
	}, {
		id: "low_request_count", name: "low-request-count",
		description: "Fewer than 10 requests in 10 minutes: the site may be unreachable",
		metric:      m.requests,
		below:       10, seconds: 10 * minute, silence: breaches,
	}, {
		id: "unhealthy_hosts", name: "unhealthy-hosts",
		description: "Fewer healthy instances than the group's minimum for 10 minutes",
		// Not the count of the unhealthy: the group replaces them, and in between the count is 0.
		metric: m.healthyHosts,
		below:  float64(c.MinSize), seconds: minute, points: 10, silence: breaches,
	}}
	for i, node := range m.redisMemory {
		number := nodeNumber(i)
		alarms = append(alarms, alarm{
			id: "redis_memory_" + number, name: "redis-memory-" + number,
			description: "Redis node " + number + " uses more than 80% of its memory",
			metric:      node,
			above:       80, seconds: 5 * minute, silence: fine,
		}, alarm{
			id: "redis_cpu_" + number, name: "redis-cpu-" + number,
			description: "Redis node " + number + " uses more than 80% of the processor that its engine has",
			metric:      m.redisCPU[i],
			above:       80, seconds: 5 * minute, silence: fine,
		})
	}
	for _, a := range alarms {
		newAlarm(scope, c, topicARN, a)
	}
}

func newAlarm(scope constructs.Construct, c Config, topicARN *string, a alarm) {
	properties := &cloudwatchmetricalarm.CloudwatchMetricAlarmConfig{
		AlarmName:          jsii.String(c.NamePrefix + "-" + a.name),
		AlarmDescription:   jsii.String(a.description),
		ComparisonOperator: jsii.String("GreaterThanThreshold"),
		Threshold:          jsii.Number(a.above),
		EvaluationPeriods:  jsii.Number(max(1, a.points)),
		TreatMissingData:   jsii.String(a.silence),
		AlarmActions:       &[]*string{topicARN},
		OkActions:          &[]*string{topicARN},
	}
	if a.below > 0 {
		properties.ComparisonOperator = jsii.String("LessThanThreshold")
		properties.Threshold = jsii.Number(a.below)
	}
	if len(a.errors) > 0 {
		properties.MetricQuery = sum(a.errors, a.seconds)
	} else {
		properties.Namespace = jsii.String(a.metric.namespace)
		properties.MetricName = jsii.String(a.metric.name)
		properties.Dimensions = a.metric.dimensionMap()
		properties.Statistic = jsii.String(a.metric.statistic)
		properties.Period = jsii.Number(a.seconds)
	}
	cloudwatchmetricalarm.NewCloudwatchMetricAlarm(scope, jsii.String(a.id), properties)
}

// sum adds metrics of which each may be silent.
func sum(metrics []metric, seconds int) []*cloudwatchmetricalarm.CloudwatchMetricAlarmMetricQuery {
	expression := ""
	var queries []*cloudwatchmetricalarm.CloudwatchMetricAlarmMetricQuery
	for i, m := range metrics {
		id := "m" + nodeNumber(i)
		if i > 0 {
			expression += " + "
		}
		expression += "FILL(" + id + ", 0)"
		queries = append(queries, &cloudwatchmetricalarm.CloudwatchMetricAlarmMetricQuery{
			Id: jsii.String(id),
			Metric: &cloudwatchmetricalarm.CloudwatchMetricAlarmMetricQueryMetric{
				Namespace:  jsii.String(m.namespace),
				MetricName: jsii.String(m.name),
				Dimensions: m.dimensionMap(),
				Stat:       jsii.String("Sum"),
				Period:     jsii.Number(seconds),
			},
		})
	}
	return append([]*cloudwatchmetricalarm.CloudwatchMetricAlarmMetricQuery{{
		Id:         jsii.String("total"),
		Label:      jsii.String("5XX responses"),
		Expression: jsii.String(expression),
		ReturnData: jsii.Bool(true),
	}}, queries...)
}
