package monitoring

import (
	"strconv"

	"github.com/aws/jsii-runtime-go"
	"github.com/hashicorp/terraform-cdk-go/cdktf"
)

// Metric is a CloudWatch Metric of one resource.
type Metric struct {
	Namespace  string
	Name       string
	Dimensions []string // name, value, name, value
	Statistic  string
}

// withStatistic is the Metric with another statistic.
func (m Metric) withStatistic(statistic string) Metric {
	m.Statistic = statistic
	return m
}

// dimensionMap is the dimensions in the form of an alarm.
func (m Metric) dimensionMap() *map[string]*string {
	dimensions := map[string]*string{}
	for i := 0; i < len(m.Dimensions); i += 2 {
		dimensions[m.Dimensions[i]] = jsii.String(m.Dimensions[i+1])
	}
	return &dimensions
}

// metrics are the metrics of alarms and dashboard.
type metrics struct {
	requests, responseTime           Metric
	target2XX, target4XX, target5XX  Metric
	loadBalancer4XX, loadBalancer5XX Metric
	healthyHosts, unhealthyHosts     Metric
	cpu, chargedCredits              Metric
	networkIn, networkOut            Metric
	ebsRead, ebsWrite                Metric
	diskRead, diskWrite              Metric
	groupSizes                       []Metric
	redisMemory, redisCPU, redisHits []Metric // by node
	redisCPULimit                    float64  // percent
}

// newMetrics is the metrics of this environment's resources. The dimension of a load balancer is the end of its ARN,
// app/NAME/ID
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html).
func newMetrics(c Config) metrics {
	loadBalancer := []string{"LoadBalancer", *c.LoadBalancer.ARNSuffix}
	targets := append([]string{"TargetGroup", *c.LoadBalancer.TargetGroupARNSuffix}, loadBalancer...)
	group := []string{"AutoScalingGroupName", *c.AutoScalingGroupName}

	alb := func(name string, dimensions []string, statistic string) Metric {
		return Metric{"AWS/ApplicationELB", name, dimensions, statistic}
	}
	ec2 := func(name, statistic string) Metric { return Metric{"AWS/EC2", name, group, statistic} }

	m := metrics{
		requests:        alb("RequestCount", loadBalancer, "Sum"),
		responseTime:    alb("TargetResponseTime", loadBalancer, "Average"),
		target2XX:       alb("HTTPCode_Target_2XX_Count", loadBalancer, "Sum"),
		target4XX:       alb("HTTPCode_Target_4XX_Count", loadBalancer, "Sum"),
		target5XX:       alb("HTTPCode_Target_5XX_Count", loadBalancer, "Sum"),
		loadBalancer4XX: alb("HTTPCode_ELB_4XX_Count", loadBalancer, "Sum"),
		loadBalancer5XX: alb("HTTPCode_ELB_5XX_Count", loadBalancer, "Sum"),
		healthyHosts:    alb("HealthyHostCount", targets, "Minimum"),
		unhealthyHosts:  alb("UnHealthyHostCount", targets, "Maximum"),

		cpu: ec2("CPUUtilization", "Average"),
		// Metrics of EC2 have the dimension AutoScalingGroupName, also with basic monitoring. It stands for all instances of the group
		// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_metrics_with_cloudwatch.html, "Dimensions").
		chargedCredits: ec2("CPUSurplusCreditsCharged", "Maximum"),

		networkIn:  ec2("NetworkIn", "Sum"),
		networkOut: ec2("NetworkOut", "Sum"),
		diskRead:   ec2("DiskReadBytes", "Sum"),
		diskWrite:  ec2("DiskWriteBytes", "Sum"),
		// Nitro instances, such as t3, do not publish DiskReadBytes and DiskWriteBytes for EBS volumes
		// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_metrics_with_cloudwatch.html).
		ebsRead:  ec2("EBSReadBytes", "Sum"),
		ebsWrite: ec2("EBSWriteBytes", "Sum"),
	}
	for _, name := range []string{"GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances", "GroupTerminatingInstances"} {
		m.groupSizes = append(m.groupSizes, Metric{"AWS/AutoScaling", name, group, "Average"})
	}
	cpu, limit := c.CPUMetric()
	m.redisCPULimit = limit
	// The nodes of the group, sorted: NAME-001, NAME-002, ... After a failover and with fewer replicas, NAME-002 can be the only one.
	nodes := cdktf.Fn_Sort(c.RedisNodes)
	for i := range 1 + c.Replicas {
		node := []string{"CacheClusterId", *cdktf.Token_AsString(cdktf.Fn_Element(nodes, jsii.Number(i)), nil)}
		redis := func(name, statistic string) Metric { return Metric{"AWS/ElastiCache", name, node, statistic} }
		m.redisMemory = append(m.redisMemory, redis("DatabaseMemoryUsagePercentage", "Average"))
		m.redisCPU = append(m.redisCPU, redis(cpu, "Average"))
		m.redisHits = append(m.redisHits, redis("CacheHitRate", "Average"))
	}
	return m
}

// nodeNumber is the number of a node, from 1.
func nodeNumber(i int) string { return strconv.Itoa(i + 1) }
