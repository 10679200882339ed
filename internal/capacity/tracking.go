package capacity

import "math"

// Delays are what passes between a change of traffic and a change of the group, in seconds unless they say otherwise.
//
// The model of Simulate has one delay after the other:
//
//  1. Metric. An instance with detailed monitoring, which modules/compute turns on, has a data point of CPUUtilization each minute (Period)
//     (https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html). The data point is the average of the minute, so
//     the minute in which the traffic changes has a part of both. AWS publishes no figure for the time until the alarm has the data point
//     (Publication); a minute is an assumption.
//  2. Alarm. The alarm of a target tracking policy, TargetTracking-GROUP-AlarmHigh-ID, needs Datapoints data points of a minute over the target.
//     AWS creates it, and its documentation has no figure. In accounts it is three of three
//     (https://github.com/hashicorp/terraform-provider-aws/issues/42553). AWS says since November 2024 that it tunes policies to a group, so it
//     can be faster.
//  3. Decision. While the alarm is on, the policy computes, each Period, the instances that the load needs at the target (Wanted). It counts neither
//     the capacity nor the CPU of instances that warm up, and scales out further only if the others need more
//     (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html). The warm-up begins when the instance is
//     in service, which the model equals with its launch.
//  4. Boot. From the launch until the container answers: an assumption, or the value of --boot-time. AWS does not tell how long it takes.
//  5. Health check. The load balancer sends the first check when the instance is registered, and then one each interval. A new target needs one
//     success; if it has failed UnhealthyThreshold checks before, it is unhealthy, and needs HealthyThreshold
//     (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html).
//
// Then the instance has its share of the traffic. The group does not shrink in the model: its alarm needs 15 minutes, and the load stays.
type Delays struct {
	Period      int // of the metric
	Publication int // from the end of a period until the alarm has its data point
	Datapoints  int // number of data points of the alarm
	Boot        int
}

// awsDelays are the delays of AWS, with the boot time of the load.
func awsDelays(boot int) Delays {
	return Delays{Period: 60, Publication: 60, Datapoints: 3, Boot: boot}
}

// Group is what the model needs of an Auto Scaling group and its load balancer.
type Group struct {
	Min, Max      int
	TargetPercent int
	Warmup        int // seconds
	CheckInterval int // seconds between two health checks

	HealthyThreshold, UnhealthyThreshold int // consecutive health checks

	PerInstance float64 // requests a second that one instance serves at 100% CPU
}

// Needed returns how many instances serve a load at the target, of Min to Max.
func (g Group) Needed(rps float64) int {
	return max(g.Min, min(g.Max, g.unlimited(rps)))
}

// unlimited is Needed without Min and Max.
func (g Group) unlimited(rps float64) int {
	return ceil(rps * 100 / (g.PerInstance * float64(g.TargetPercent)))
}

// Wanted returns how many instances target tracking wants, of Min to Max, if warm instances have a CPU utilization in percent.
func (g Group) Wanted(warm int, utilization float64) int {
	return max(g.Min, min(g.Max, ceil(float64(warm)*utilization/float64(g.TargetPercent))))
}

// HealthyAfter returns the seconds from the launch of an instance until the load balancer sends it requests.
func (g Group) HealthyAfter(boot int) int {
	failures := (boot + g.CheckInterval - 1) / g.CheckInterval
	checks := failures
	if failures >= g.UnhealthyThreshold {
		checks += g.HealthyThreshold - 1
	}
	return checks * g.CheckInterval
}

// ceil rounds up, but not because of an error in the last digits.
func ceil(x float64) int { return int(math.Ceil(x - 1e-9)) }

// horizon is how many seconds of the load are simulated.
const horizon = 3600

// never is a time that is not reached.
const never = -1

// Level is how busy the group is in a second.
type Level string

// Levels.
const (
	Calm       Level = "calm"       // at the target or below
	Busy       Level = "busy"       // above the target
	Overloaded Level = "overloaded" // the load needs more than 100% CPU
)

// Run is what happens after a step of the traffic, in seconds since then.
type Run struct {
	FirstScaleOut int     `json:"firstScaleOutSeconds"` // when the group launches the first instances; -1: it does not
	Overload      int     `json:"overloadSeconds"`      // how long the load needs more than 100% CPU
	Ends          bool    `json:"overloadEnds"`         // false: the group is still overloaded after an hour
	AtTarget      int     `json:"atTargetSeconds"`      // when the CPU utilization is at the target or below, from then on; -1: never
	Excess        float64 `json:"excessRequests"`       // requests that the CPU cannot serve in time, which wait or fail
	Instances     int     `json:"instances"`            // after an hour
	levels        []Level // of each second
}

// Simulate computes what a group does if the traffic changes from one second to the next, from before to after requests a second. The change
// is phase seconds after the begin of a period of the metric. There is no chance in it.
func Simulate(g Group, d Delays, before, after float64, phase int) Run {
	var launches []int // of each instance, in order; those of the begin have been warm for long
	for range g.Needed(before) {
		launches = append(launches, math.MinInt32)
	}
	healthyAfter := g.HealthyAfter(d.Boot)
	healthy, warm := 0, 0 // instances

	utilization := func(rps float64, instances int) float64 {
		return min(100, 100*rps/(float64(instances)*g.PerInstance))
	}

	run := Run{FirstScaleOut: never, AtTarget: never, levels: make([]Level, 0, horizon)}
	sum := float64(phase) * utilization(before, len(launches)) // of the CPU utilization in this period
	var points []float64                                       // of the periods that have ended
	for now := range horizon {
		for healthy < len(launches) && now >= launches[healthy]+healthyAfter {
			healthy++
		}
		capacity := float64(healthy) * g.PerInstance
		level := Calm
		switch {
		case after > capacity*(1+1e-9):
			level = Overloaded
			run.Overload++
			run.Excess += after - capacity
		case after*100 > capacity*float64(g.TargetPercent)*(1+1e-9):
			level = Busy
		}
		if level == Calm && run.AtTarget == never {
			run.AtTarget = now
		} else if level != Calm {
			run.AtTarget = never
		}
		run.levels = append(run.levels, level)

		sum += utilization(after, healthy)
		if end := now + 1 + phase; end%d.Period == 0 {
			points = append(points, sum/float64(d.Period))
			sum = 0
		}
		// The alarm has the data points of the periods that ended before Publication.
		published := now + 1 + phase - d.Publication
		if published < d.Period || published%d.Period != 0 {
			continue
		}
		known := points[:published/d.Period]
		if !isAlarm(known, d.Datapoints, float64(g.TargetPercent)) {
			continue
		}
		for warm < len(launches) && now+1 >= launches[warm]+g.Warmup {
			warm++
		}
		for wanted := g.Wanted(warm, known[len(known)-1]); len(launches) < wanted; {
			launches = append(launches, now+1)
			if run.FirstScaleOut == never {
				run.FirstScaleOut = now + 1
			}
		}
	}
	run.Ends = run.levels[horizon-1] != Overloaded
	run.Instances = len(launches)
	return run
}

// isAlarm reports whether the last n data points are over the target. Data points before the step are not: the group was calm.
func isAlarm(points []float64, n int, target float64) bool {
	if len(points) < n {
		return false
	}
	for _, point := range points[len(points)-n:] {
		if point <= target {
			return false
		}
	}
	return true
}

// Phases are the best and the worst run: the traffic changes at any second of a period.
type Phases struct {
	Best  Run `json:"best"`
	Worst Run `json:"worst"`
}

// SimulatePhases simulates a step at each second of a period.
func SimulatePhases(g Group, d Delays, before, after float64) Phases {
	var phases Phases
	for phase := range d.Period {
		run := Simulate(g, d, before, after, phase)
		if phase == 0 || run.isBetter(phases.Best) {
			phases.Best = run
		}
		if phase == 0 || phases.Worst.isBetter(run) {
			phases.Worst = run
		}
	}
	return phases
}

// isBetter compares runs by their overload, and then by when they scale out, and are at the target.
func (r Run) isBetter(other Run) bool {
	key := func(r Run) [3]int {
		late := func(seconds int) int {
			if seconds == never {
				return horizon
			}
			return seconds
		}
		return [3]int{r.Overload, late(r.FirstScaleOut), late(r.AtTarget)}
	}
	a, b := key(r), key(other)
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
