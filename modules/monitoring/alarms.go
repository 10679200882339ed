package monitoring

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchmetricalarm"
)

// alarm is the properties in which the alarms differ.
type alarm struct {
	id          string
	name        string
	description string
	metric      metric
	sumOf       []metric // instead of metric

	comparison        string // greaterThan or lessThan
	threshold         float64
	periodSeconds     int
	evaluationPeriods int    // 0: 1
	treatMissingData  string // breaching or notBreaching
}

// CloudWatch's values.
const (
	greaterThan  = "GreaterThanThreshold"
	lessThan     = "LessThanThreshold"
	breaching    = "breaching"
	notBreaching = "notBreaching"
)

const minute = 60 // seconds

// newAlarms creates the four alarms of the architecture document, with its thresholds and periods, and alarms on unhealthy hosts, on CPU
// credits that cost money, and on Redis. Missing data is breaching for two of them. Without requests, the site may be unreachable. Without
// registered targets, the load balancer publishes no HealthyHostCount
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html).
func newAlarms(scope constructs.Construct, c Config, topicARN *string, m metrics) {
	alarms := []alarm{{
		id: "high_error_rate", name: "high-error-rate",
		description: "More than 10 5XX responses in 10 minutes, by the instances or by the load balancer itself",
		sumOf:       []metric{m.target5XX, m.loadBalancer5XX},
		comparison:  greaterThan, threshold: 10, periodSeconds: 10 * minute, treatMissingData: notBreaching,
	}, {
		id: "high_response_time", name: "high-response-time",
		description: "Responses take more than 2 seconds on average",
		metric:      m.responseTime,
		comparison:  greaterThan, threshold: 2, periodSeconds: 5 * minute, treatMissingData: notBreaching,
	}, {
		id: "high_cpu", name: "high-cpu",
		description: "More than 80% CPU utilization of the instances for 5 minutes",
		metric:      m.cpu,
		comparison:  greaterThan, threshold: 80, periodSeconds: 5 * minute, treatMissingData: notBreaching,
	}, {
		id: "low_request_count", name: "low-request-count",
		description: "Fewer than 10 requests in 10 minutes: the site may be unreachable",
		metric:      m.requests,
		comparison:  lessThan, threshold: 10, periodSeconds: 10 * minute, treatMissingData: breaching,
	}, {
		id: "unhealthy_hosts", name: "unhealthy-hosts",
		description: "Fewer healthy instances than the group's minimum for 10 minutes",
		// Not UnHealthyHostCount: the group replaces unhealthy instances, and meanwhile that count is 0.
		metric:     m.healthyHosts,
		comparison: lessThan, threshold: float64(c.MinSize), periodSeconds: minute, evaluationPeriods: 10, treatMissingData: breaching,
	}}
	if c.PaysForCredits() {
		alarms = append(alarms, alarm{
			id: "charged_cpu_credits", name: "charged-cpu-credits",
			description: "An instance has used more CPU credits than it earns in 24 hours, and AWS charges for them",
			metric:      m.chargedCredits,
			// AWS charges by the hour, and publishes the metric every five minutes
			// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/unlimited-mode-examples.html).
			comparison: greaterThan, threshold: 0, periodSeconds: 60 * minute, treatMissingData: notBreaching,
		})
	}
	for i, node := range m.redisMemory {
		number := nodeNumber(i)
		alarms = append(alarms, alarm{
			id: "redis_memory_" + number, name: "redis-memory-" + number,
			description: "Redis node " + number + " uses more than 80% of its memory",
			metric:      node,
			comparison:  greaterThan, threshold: 80, periodSeconds: 5 * minute, treatMissingData: notBreaching,
		}, alarm{
			id: "redis_cpu_" + number, name: "redis-cpu-" + number,
			description: "Redis node " + number + " uses more than 90% of the processor core that its engine has",
			metric:      m.redisCPU[i],
			comparison:  greaterThan, threshold: m.redisCPULimit, periodSeconds: 5 * minute, treatMissingData: notBreaching,
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
		ComparisonOperator: jsii.String(a.comparison),
		Threshold:          jsii.Number(a.threshold),
		EvaluationPeriods:  jsii.Number(max(1, a.evaluationPeriods)),
		TreatMissingData:   jsii.String(a.treatMissingData),
		AlarmActions:       &[]*string{topicARN},
		OkActions:          &[]*string{topicARN},
	}
	if len(a.sumOf) > 0 {
		properties.MetricQuery = sum(a.sumOf, a.periodSeconds)
	} else {
		properties.Namespace = jsii.String(a.metric.namespace)
		properties.MetricName = jsii.String(a.metric.name)
		properties.Dimensions = a.metric.dimensionMap()
		properties.Statistic = jsii.String(a.metric.statistic)
		properties.Period = jsii.Number(a.periodSeconds)
	}
	cloudwatchmetricalarm.NewCloudwatchMetricAlarm(scope, jsii.String(a.id), properties)
}

// sum is the sum of metrics. A metric without data counts as 0.
func sum(metrics []metric, periodSeconds int) []*cloudwatchmetricalarm.CloudwatchMetricAlarmMetricQuery {
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
				Period:     jsii.Number(periodSeconds),
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
