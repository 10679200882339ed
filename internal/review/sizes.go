package review

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
)

const (
	// metricDays is the days of metrics that a size is judged by, as AWS Compute Optimizer's default
	// (https://docs.aws.amazon.com/compute-optimizer/latest/ug/rightsizing-preferences.html).
	metricDays = 14
	// busyPercent is 100 minus Compute Optimizer's default headroom, 20 %. It compares it with the percentile 99.5
	// (https://docs.aws.amazon.com/compute-optimizer/latest/APIReference/API_UtilizationPreference.html).
	busyPercent, busyPercentile = 80, 99.5
	// idlePercent is the threshold of AWS's sample for right sizing, over 14 days
	// (https://github.com/aws-samples/sample-cfm-tips-mcp, playbooks/ec2/ec2_optimization.py).
	idlePercent = 40
	// emptyHours is the hours of metricDays in which instances may have no CPU credits. The number is this project's: a new T3 instance has none
	// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-unlimited-mode-concepts.html), and a deploy
	// replaces all.
	emptyHours = 24
)

// series is a metric over metricDays.
type series struct {
	namespace, metric, statistic string
	dimension, value             string
	period                       time.Duration

	values []float64
	oldest time.Time // zero: no data
}

// readMetrics reads the values of metrics. CloudWatch keeps values of five minutes for 63 days, and returns up to 100,800 with each request
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html). AWS charges 0.01 USD for a thousand metrics.
func (r *reviewer) readMetrics(ctx context.Context, all ...*series) error {
	input := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(r.now.AddDate(0, 0, -metricDays)), EndTime: &r.now}
	for i, s := range all {
		input.MetricDataQueries = append(input.MetricDataQueries, cloudwatchtypes.MetricDataQuery{
			Id: aws.String(fmt.Sprintf("m%d", i)),
			MetricStat: &cloudwatchtypes.MetricStat{
				Metric: &cloudwatchtypes.Metric{
					Namespace: &s.namespace, MetricName: &s.metric,
					Dimensions: []cloudwatchtypes.Dimension{{Name: &s.dimension, Value: &s.value}},
				},
				Period: aws.Int32(int32(s.period / time.Second)),
				Stat:   &s.statistic,
			},
		})
	}
	pages := cloudwatch.NewGetMetricDataPaginator(cloudwatch.NewFromConfig(r.settings), input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, result := range page.MetricDataResults {
			for i, s := range all {
				if aws.ToString(result.Id) != fmt.Sprintf("m%d", i) {
					continue
				}
				s.values = append(s.values, result.Values...)
				for _, t := range result.Timestamps {
					if s.oldest.IsZero() || t.Before(s.oldest) {
						s.oldest = t
					}
				}
			}
		}
	}
	return nil
}

// isComplete reports whether the metric has data of all days.
func (r *reviewer) isComplete(s *series) bool {
	return len(s.values) > 0 && s.oldest.Before(r.now.AddDate(0, 0, 1-metricDays))
}

// peak is the percentile of the values that their size has to suffice for.
func (s *series) peak() float64 {
	sorted := slices.Sorted(slices.Values(s.values))
	return sorted[max(0, int(math.Ceil(busyPercentile/100*float64(len(sorted))))-1)]
}

// countIf returns the number of values that match.
func (s *series) countIf(matches func(float64) bool) int {
	count := 0
	for _, value := range s.values {
		if matches(value) {
			count++
		}
	}
	return count
}

// instanceSize judges the instance type by the CPU utilization of the group, and by the CPU credits of its instances.
func (r *reviewer) instanceSize(ctx context.Context, a *answer) error {
	group, err := r.Output("auto_scaling_group_name")
	if err != nil {
		return err
	}
	metric := func(name, statistic string, period time.Duration) *series {
		return &series{namespace: "AWS/EC2", metric: name, statistic: statistic, dimension: "AutoScalingGroupName", value: group, period: period}
	}
	cpu := metric("CPUUtilization", "Average", 5*time.Minute)
	balance, charged := metric("CPUCreditBalance", "Minimum", time.Hour), metric("CPUSurplusCreditsCharged", "Sum", time.Hour)
	all := []*series{cpu}
	if r.Backend.IsBurstable() {
		all = append(all, balance, charged)
	}
	if err := r.readMetrics(ctx, all...); err != nil {
		return err
	}
	if len(cpu.values) == 0 {
		a.unknown("CloudWatch has no CPU utilization of %s", group)
		return nil
	}
	larger := "choose a larger backend.instanceType"
	peak, found := cpu.peak(), len(a.findings)
	if peak > busyPercent {
		a.attention(larger+", or a lower backend.targetCpuPercent", "%s: CPU is over %d %%; the percentile %v of two weeks is %.0f %%", r.Backend.InstanceType, busyPercent, busyPercentile, peak)
	}
	empty := balance.countIf(func(credits float64) bool { return credits < 1 })
	used := charged.countIf(func(credits float64) bool { return credits > 0 })
	switch {
	case r.Backend.PaysForCredits() && used > 0:
		a.attention(larger+" or a fixed-performance one: docs/runbook.md, CPU credits", "%s: AWS charged for CPU credits in %d hours of two weeks", r.Backend.InstanceType, used)
	case !r.Backend.PaysForCredits() && empty > emptyHours:
		a.attention(larger+", or backend.cpuCredits: unlimited", "%s: instances had no CPU credits in %d hours of two weeks", r.Backend.InstanceType, empty)
	}
	switch {
	case len(a.findings) > found:
	case !r.isComplete(cpu):
		a.unknown("there are only %d days of metrics; the review needs %d", r.days(cpu.oldest), metricDays)
	case peak < idlePercent && !isSmallest(r.Backend.InstanceType):
		a.attention("choose a smaller backend.instanceType, if its memory suffices", "%s: CPU stays under %d %%; the percentile %v of two weeks is %.0f %%", r.Backend.InstanceType, idlePercent, busyPercentile, peak)
	default:
		a.ok("%s: the percentile %v of two weeks is %.0f %% CPU", r.Backend.InstanceType, busyPercentile, peak)
	}
	return nil
}

// isSmallest reports whether a type is of the smallest size that has the memory for the backend, or for Redis.
func isSmallest(instanceType string) bool {
	return strings.HasSuffix(instanceType, ".nano") || strings.HasSuffix(instanceType, ".micro")
}

// redisSize judges the node type by the processor, the memory and the evictions of each node.
func (r *reviewer) redisSize(ctx context.Context, a *answer) error {
	groups, err := elasticache.NewFromConfig(r.settings).DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String(r.replicationGroup())})
	if err != nil {
		return err
	}
	name, limit := r.Cache.CPUMetric()
	idle := limit * idlePercent / 90 // limit is 90 % of the engine's core
	var cpus, memories, evictions, all []*series
	for _, group := range groups.ReplicationGroups {
		for _, node := range group.MemberClusters {
			metric := func(name, statistic string, period time.Duration) *series {
				return &series{namespace: "AWS/ElastiCache", metric: name, statistic: statistic, dimension: "CacheClusterId", value: node, period: period}
			}
			cpus = append(cpus, metric(name, "Average", 5*time.Minute))
			memories = append(memories, metric("DatabaseMemoryUsagePercentage", "Average", 5*time.Minute))
			evictions = append(evictions, metric("Evictions", "Sum", time.Hour))
		}
	}
	all = slices.Concat(cpus, memories, evictions)
	if len(all) == 0 {
		return fmt.Errorf("there is no Redis %s", r.replicationGroup())
	}
	if err := r.readMetrics(ctx, all...); err != nil {
		return err
	}
	found, isIdle := len(a.findings), true
	const larger = "choose a larger cache.nodeType"
	oldest, texts := time.Time{}, []string{}
	for i, cpu := range cpus {
		memory, evicted := memories[i], evictions[i].countIf(func(keys float64) bool { return keys > 0 })
		if len(cpu.values) == 0 || len(memory.values) == 0 {
			a.unknown("CloudWatch has no metrics of %s", cpu.value)
			continue
		}
		used, filled := cpu.peak(), memory.peak()
		texts = append(texts, fmt.Sprintf("%s: %.0f %% %s, %.0f %% memory", cpu.value, used, name, filled))
		isIdle = isIdle && used < idle && filled < idlePercent
		if oldest.Before(cpu.oldest) {
			oldest = cpu.oldest
		}
		if used > limit {
			a.attention(larger, "%s: the percentile %v of %s is %.0f %%; AWS suggests at most %.0f", cpu.value, busyPercentile, name, used, limit)
		}
		if filled > busyPercent {
			a.attention(larger, "%s: the percentile %v of the memory is %.0f %%, over %d", cpu.value, busyPercentile, filled, busyPercent)
		}
		if evicted > 0 {
			a.attention(larger, "%s: keys were evicted in %d hours of two weeks, because the memory was full", cpu.value, evicted)
		}
	}
	switch {
	case len(a.findings) > found:
	case !r.isComplete(&series{values: cpus[0].values, oldest: oldest}):
		a.unknown("there are only %d days of metrics; the review needs %d", r.days(oldest), metricDays)
	case isIdle && !isSmallest(r.Cache.NodeType):
		a.attention("choose a smaller cache.nodeType", "%s is hardly used: %s", r.Cache.NodeType, strings.Join(texts, "; "))
	default:
		a.ok("%s: %s", r.Cache.NodeType, strings.Join(texts, "; "))
	}
	return nil
}
