// Package instancemetrics is the memory and the disk of the instances in CloudWatch: alarms, graphs, and what lets the instances send the metrics.
package instancemetrics

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/modules/monitoring"
)

// Config is the instances.
type Config struct {
	NamePrefix           string // "starttech-production"
	AutoScalingGroupName *string
	RoleID               *string
	Alarms               monitoring.Alarms
}

// Namespace is the namespace of an environment's metrics. Each has its own, so that the instances of one cannot write the metrics of another: IAM
// compares the namespace, and no dimension.
func Namespace(namePrefix string) string { return namePrefix }

// New creates
//
//	Alarms on memory and disk -> Topic
//	Role <- RolePolicy: send metrics
//
// and returns the graphs.
func New(scope constructs.Construct, c Config) []monitoring.Graph {
	// The agent's names: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/metrics-collected-by-CloudWatch-agent.html.
	metric := func(name, statistic string) monitoring.Metric {
		return monitoring.Metric{
			Namespace: Namespace(c.NamePrefix), Name: name, Dimensions: []string{"AutoScalingGroupName", *c.AutoScalingGroupName}, Statistic: statistic,
		}
	}
	// The maximum over the instances: each has its own container, and its own disk.
	const memory, disk = "mem_used_percent", "disk_used_percent"
	for _, a := range []monitoring.Alarm{{
		ID: "high_memory", Name: "high-memory",
		Description: "An instance uses more than 90% of its memory for 5 minutes",
		Metric:      metric(memory, "Maximum"),
		Threshold:   90,
	}, {
		ID: "high_disk", Name: "high-disk",
		Description: "An instance uses more than 85% of its root volume for 5 minutes",
		Metric:      metric(disk, "Maximum"),
		Threshold:   85,
	}} {
		a.Comparison, a.PeriodSeconds, a.EvaluationPeriods, a.TreatMissingData = monitoring.GreaterThan, monitoring.Minute, 5, monitoring.NotBreaching
		c.Alarms.New(scope, a)
	}

	iamrolepolicy.NewIamRolePolicy(scope, jsii.String("instance_metrics"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("metrics"),
		Role: c.RoleID,
		Policy: policy.Document(policy.Statement{
			Sid:       "SendMetrics",
			Effect:    policy.Allow,
			Action:    []string{"cloudwatch:PutMetricData"},
			Resource:  []string{"*"}, // does not support resource-level permissions
			Condition: policy.Condition{"StringEquals": {"cloudwatch:namespace": {Namespace(c.NamePrefix)}}},
		}),
	})

	return []monitoring.Graph{
		{Title: "Memory (%)", Metrics: []monitoring.Metric{metric(memory, "Average"), metric(memory, "Maximum")}},
		{Title: "Disk (%)", Metrics: []monitoring.Metric{metric(disk, "Average"), metric(disk, "Maximum")}},
	}
}
