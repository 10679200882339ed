package instances

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/starttech/infrastructure/internal/capacity"
)

// scalingTimeFactor makes 6 seconds of a period of the alarm, and 3 of the interval of the health checks.
const scalingTimeFactor = 10

// tolerance is the difference between the simulation and the local AWS that the test accepts, in seconds of AWS. The local AWS evaluates an
// alarm every second, which is 10 of them, and a busy machine can be 2 seconds late. One data point of the alarm, or one health check after
// which an instance is healthy, is more.
const tolerance = 30

// TestSimulatedStepOfTheTraffic compares the simulation of starttech capacity with a group of the local AWS. A load of 60 requests a second
// becomes 220 at once, where an instance serves 100. The alarm, the launches, the boot of the instances and their health checks are the local
// AWS's. Its scaling policies do not act, so the test acts as the policy: it sets the desired capacity when the alarm is on. It also sends the
// metric, which is the load divided by the healthy instances.
func TestSimulatedStepOfTheTraffic(t *testing.T) {
	t.Parallel()
	const before, after = 60.0, 220.0
	model := capacity.Group{
		Min: 2, Max: 5, TargetPercent: 60, Warmup: 300, PerInstance: 100,
		CheckInterval: 30, HealthyThreshold: 2, UnhealthyThreshold: 2, // as newGroup has them
	}
	e := startFaster(t, scalingTimeFactor)
	g := newGroup(t, e, "scaling", model.Min, model.Max)
	g.waitHealthy(model.Min)
	// Instances that boot slowly fail health checks first, as on AWS.
	g.call("autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name, "LaunchTemplate.LaunchTemplateName="+g.name, "LaunchTemplate.Version=5")

	e.call(t, "monitoring PutMetricAlarm", "AlarmName=scaling-AlarmHigh", "Namespace=Load", "MetricName=CPUUtilization", "Statistic=Average",
		"Period=60", "EvaluationPeriods=3", "ComparisonOperator=GreaterThanThreshold", fmt.Sprintf("Threshold=%d", model.TargetPercent))
	load := before
	// look sends the CPU utilization, and returns it with the state of the alarm.
	look := func(healthy int) (utilization float64, state string) {
		utilization = min(100, 100*load/(float64(healthy)*model.PerInstance))
		e.call(t, "monitoring PutMetricData", "Namespace=Load", "MetricData.member.1.MetricName=CPUUtilization",
			"MetricData.member.1.Value="+strconv.FormatFloat(utilization, 'f', -1, 64))
		alarm := e.call(t, "monitoring DescribeAlarms", "AlarmNames.member.1=scaling-AlarmHigh")
		return utilization, alarm.text("DescribeAlarmsResult/MetricAlarms/member/StateValue")
	}
	waitFor(t, "the alarm to be OK", func() (bool, any) {
		_, state := look(model.Min)
		return state == "OK", state
	})

	begin := time.Now()
	seconds := func() int { return int(math.Round(time.Since(begin).Seconds() * scalingTimeFactor)) } // of AWS
	load = after
	firstScaleOut, boot, desired := 0, 0, model.Min
	waitFor(t, "the capacity for the load", func() (bool, any) {
		healthy := g.healthy()
		utilization, state := look(healthy)
		if wanted := model.Wanted(model.Min, utilization); state == "ALARM" && wanted > desired { // the first instances are warm
			g.call("autoscaling SetDesiredCapacity", "AutoScalingGroupName="+g.name, fmt.Sprintf("DesiredCapacity=%d", wanted))
			if firstScaleOut == 0 {
				firstScaleOut = seconds()
			}
			desired = wanted
		}
		if firstScaleOut > 0 && boot == 0 && g.answering() == desired {
			boot = seconds() - firstScaleOut
		}
		return float64(healthy)*model.PerInstance >= load, fmt.Sprintf("%d healthy, %s", healthy, state)
	})
	overload := seconds()

	// The periods of the local AWS end at each evaluation, so they are those of the best phase, and it has a data point at once.
	simulated := capacity.SimulatePhases(model, capacity.Delays{Period: 60, Datapoints: 3, Boot: boot}, before, after).Best
	t.Logf("boot %d s; first scale-out: simulated %d s, local AWS %d s; capacity for the load: simulated %d s, local AWS %d s (seconds of AWS)",
		boot, simulated.FirstScaleOut, firstScaleOut, simulated.Overload, overload)
	for what, times := range map[string][2]int{
		"the first scale-out":       {firstScaleOut, simulated.FirstScaleOut},
		"the capacity for the load": {overload, simulated.Overload},
	} {
		if difference := times[0] - times[1]; difference < -tolerance || difference > tolerance {
			t.Errorf("%s is after %d s, and simulated after %d s; tolerance %d s", what, times[0], times[1], tolerance)
		}
	}
	if desired != simulated.Instances {
		t.Errorf("the group has %d instances, and %d simulated", desired, simulated.Instances)
	}
}

// healthy returns the number of healthy targets.
func (g *group) healthy() (count int) {
	g.t.Helper()
	for _, state := range g.health() {
		if state == "healthy" {
			count++
		}
	}
	return count
}

// answering returns the number of instances in service whose servers answer.
func (g *group) answering() (count int) {
	g.t.Helper()
	ids, _ := g.instances()
	client := http.Client{Timeout: time.Second}
	for _, id := range ids {
		config := readConfig(g.t, g.emulator, id)
		response, err := client.Get(fmt.Sprintf("http://%s:%d/health", config.Address, config.Publish[8080]))
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			count++
		}
	}
	return count
}
