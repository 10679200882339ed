package monitoring

import (
	"cmp"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchmetricalarm"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
)

// Alarms is what the alarms of an environment have in common.
type Alarms struct {
	NamePrefix string  // "starttech-production"
	TopicARN   *string // notified when an alarm rings and when it stops
	Runbook    config.Runbook
}

// Alarm is the properties in which the alarms differ.
type Alarm struct {
	ID          string
	Name        string // without the environment's prefix
	Description string
	Section     string // heading of docs/runbook.md; "": Name
	Metric      Metric
	SumOf       []Metric // instead of Metric
	SumLabel    string   // of SumOf

	Comparison        string // GreaterThan or LessThan
	Threshold         float64
	PeriodSeconds     int
	EvaluationPeriods int    // 0: 1
	TreatMissingData  string // Breaching or NotBreaching

	Provider cdktf.TerraformProvider // of the region of the metric and the topic; nil: the stack's own
}

// CloudWatch's values.
const (
	GreaterThan  = "GreaterThanThreshold"
	LessThan     = "LessThanThreshold"
	Breaching    = "breaching"
	NotBreaching = "notBreaching"
)

// Minute is in seconds.
const Minute = 60

// newAlarms creates the four alarms of the architecture document, with its thresholds and periods, and alarms on unhealthy hosts, on CPU
// credits that cost money, and on Redis. Missing data is breaching for two of them. Without requests, the site may be unreachable. Without
// registered targets, the load balancer publishes no HealthyHostCount
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html).
func newAlarms(scope constructs.Construct, c Config, alarms Alarms, m metrics) {
	all := []Alarm{{
		ID: "high_error_rate", Name: "high-error-rate",
		Description: "More than 10 5XX responses in 10 minutes, by the instances or by the load balancer itself",
		SumOf:       []Metric{m.target5XX, m.loadBalancer5XX},
		SumLabel:    "5XX responses",
		Comparison:  GreaterThan, Threshold: 10, PeriodSeconds: 10 * Minute, TreatMissingData: NotBreaching,
	}, {
		ID: "high_response_time", Name: "high-response-time",
		Description: "Responses take more than 2 seconds on average",
		Metric:      m.responseTime,
		Comparison:  GreaterThan, Threshold: 2, PeriodSeconds: 5 * Minute, TreatMissingData: NotBreaching,
	}, {
		ID: "high_cpu", Name: "high-cpu",
		Description: "More than 80% CPU utilization of the instances for 5 minutes",
		Metric:      m.cpu,
		Comparison:  GreaterThan, Threshold: 80, PeriodSeconds: 5 * Minute, TreatMissingData: NotBreaching,
	}, {
		ID: "low_request_count", Name: "low-request-count",
		Description: "Fewer than 10 requests in 10 minutes: the site may be unreachable",
		Metric:      m.requests,
		Comparison:  LessThan, Threshold: 10, PeriodSeconds: 10 * Minute, TreatMissingData: Breaching,
	}, {
		ID: "unhealthy_hosts", Name: "unhealthy-hosts",
		Description: "Fewer healthy instances than the group's minimum for 10 minutes",
		// Not UnHealthyHostCount: the group replaces unhealthy instances, and meanwhile that count is 0.
		Metric:     m.healthyHosts,
		Comparison: LessThan, Threshold: float64(c.MinSize), PeriodSeconds: Minute, EvaluationPeriods: 10, TreatMissingData: Breaching,
	}}
	if c.PaysForCredits() {
		all = append(all, Alarm{
			ID: "charged_cpu_credits", Name: "charged-cpu-credits",
			Description: "An instance has used more CPU credits than it earns in 24 hours, and AWS charges for them",
			Metric:      m.chargedCredits,
			// AWS charges by the hour, and publishes the metric every five minutes
			// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/unlimited-mode-examples.html).
			Comparison: GreaterThan, Threshold: 0, PeriodSeconds: 60 * Minute, TreatMissingData: NotBreaching,
		})
	}
	for i, node := range m.redisMemory {
		number := nodeNumber(i)
		all = append(all, Alarm{
			ID: "redis_memory_" + number, Name: "redis-memory-" + number, Section: "redis-memory",
			Description: "Redis node " + number + " uses more than 80% of its memory",
			Metric:      node,
			Comparison:  GreaterThan, Threshold: 80, PeriodSeconds: 5 * Minute, TreatMissingData: NotBreaching,
		}, Alarm{
			ID: "redis_cpu_" + number, Name: "redis-cpu-" + number, Section: "redis-cpu",
			Description: "Redis node " + number + " uses more than 90% of the processor core that its engine has",
			Metric:      m.redisCPU[i],
			Comparison:  GreaterThan, Threshold: m.redisCPULimit, PeriodSeconds: 5 * Minute, TreatMissingData: NotBreaching,
		})
	}
	for _, a := range all {
		alarms.New(scope, a)
	}
}

// New creates an alarm whose description links its section of the runbook. A description has at most 1024 characters
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html).
func (s Alarms) New(scope constructs.Construct, a Alarm) {
	properties := &cloudwatchmetricalarm.CloudwatchMetricAlarmConfig{
		Provider:           a.Provider,
		AlarmName:          jsii.String(s.NamePrefix + "-" + a.Name),
		AlarmDescription:   jsii.String(a.Description + ". Runbook: " + s.Runbook.Section(cmp.Or(a.Section, a.Name))),
		ComparisonOperator: jsii.String(a.Comparison),
		Threshold:          jsii.Number(a.Threshold),
		EvaluationPeriods:  jsii.Number(max(1, a.EvaluationPeriods)),
		TreatMissingData:   jsii.String(a.TreatMissingData),
		AlarmActions:       &[]*string{s.TopicARN},
		OkActions:          &[]*string{s.TopicARN},
	}
	if len(a.SumOf) > 0 {
		properties.MetricQuery = sum(a.SumOf, a.SumLabel, a.PeriodSeconds)
	} else {
		properties.Namespace = jsii.String(a.Metric.Namespace)
		properties.MetricName = jsii.String(a.Metric.Name)
		properties.Dimensions = a.Metric.dimensionMap()
		properties.Statistic = jsii.String(a.Metric.Statistic)
		properties.Period = jsii.Number(a.PeriodSeconds)
	}
	cloudwatchmetricalarm.NewCloudwatchMetricAlarm(scope, jsii.String(a.ID), properties)
}

// sum is the sum of metrics. A metric without data counts as 0.
func sum(metrics []Metric, label string, periodSeconds int) []*cloudwatchmetricalarm.CloudwatchMetricAlarmMetricQuery {
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
				Namespace:  jsii.String(m.Namespace),
				MetricName: jsii.String(m.Name),
				Dimensions: m.dimensionMap(),
				Stat:       jsii.String("Sum"),
				Period:     jsii.Number(periodSeconds),
			},
		})
	}
	return append([]*cloudwatchmetricalarm.CloudwatchMetricAlarmMetricQuery{{
		Id:         jsii.String("total"),
		Label:      jsii.String(label),
		Expression: jsii.String(expression),
		ReturnData: jsii.Bool(true),
	}}, queries...)
}
