package capacity

import (
	"testing"
)

// example is a group of instances that serve 100 requests a second each, 60 at the target.
var example = Group{Min: 2, Max: 5, TargetPercent: 60, Warmup: 300, CheckInterval: 30, HealthyThreshold: 2, UnhealthyThreshold: 3, PerInstance: 100}

func TestInstancesThatALoadNeeds(t *testing.T) {
	for _, test := range []struct {
		rps  float64
		want int
	}{
		{0, 2}, {120, 2}, {121, 3}, {180, 3}, {240, 4}, {300, 5}, {1000, 5},
	} {
		if got := example.Needed(test.rps); got != test.want {
			t.Errorf("%v requests a second need %d instances, want %d", test.rps, got, test.want)
		}
	}
	for _, test := range []struct {
		warm        int
		utilization float64
		want        int
	}{
		{2, 100, 4}, {2, 61, 3}, {2, 60, 2}, {4, 100, 5}, {2, 10, 2},
	} {
		if got := example.Wanted(test.warm, test.utilization); got != test.want {
			t.Errorf("%d instances at %v%%: wanted %d, want %d", test.warm, test.utilization, got, test.want)
		}
	}
}

// With an interval of 30 seconds, an instance that answers after 75 seconds has failed the checks at 0, 30 and 60, is unhealthy, and passes
// those at 90 and 120.
func TestTimeUntilAnInstanceIsHealthy(t *testing.T) {
	for boot, want := range map[int]int{0: 0, 1: 30, 30: 30, 31: 60, 60: 60, 61: 120, 75: 120, 90: 120, 120: 150} {
		if got := example.HealthyAfter(boot); got != want {
			t.Errorf("boot of %d seconds: healthy after %d, want %d", boot, got, want)
		}
	}
}

// Two instances have 60 requests a second, which is 30%, and then 200, which is 100%, or 220, which is more than they can serve.
//
// At phase 0, the periods end at 60, 120 and 180, and the alarm has the third at 240. The group launches 2 × 100 / 60 = 4 - 2 instances, which
// answer after 75 seconds and are healthy after 120, at 360.
func TestStepOfTheTraffic(t *testing.T) {
	delays := awsDelays(75)
	for _, test := range []struct {
		name          string
		group         func(*Group)
		after         float64
		phase         int
		firstScaleOut int
		overload      int
		atTarget      int
		instances     int
	}{
		{"within the capacity", nil, 120, 0, never, 0, 0, 2},
		{"over the target", nil, 200, 0, 240, 0, 360, 4},
		{"over the capacity", nil, 220, 0, 240, 360, 360, 4},
		// The first period has 20 s of 30% and 40 s of 100%, 76.7%.
		{"in the first third of a period", nil, 220, 20, 220, 340, 340, 4},
		// The first period has 40 s of 30% and 20 s of 100%, 53.3%, which is under the target.
		{"in the last third of a period", nil, 220, 40, 260, 380, 380, 4},
		// The 4 instances have 75% from 360. Until 540 two of them warm up. The metric is that of the others: 2 × 75 / 60 = 3 are wanted, and
		// there are 4. At 540 all are warm, so 4 × 75 / 60 = 5.
		{"after the warm-up of the first", nil, 300, 0, 240, 360, 660, 5},
		// With a warm-up of 120 seconds, the 4 are warm at 360. The alarm has the period that ended at 300, with 100%: 4 × 100 / 60 = 7, and 5
		// is the maximum.
		{"with a short warm-up", func(g *Group) { g.Warmup = 120 }, 300, 0, 240, 360, 480, 5},
		// 500 needs 8.3 instances, and the maximum has 5, which is exactly its capacity. 501 is more.
		{"over the maximum", nil, 501, 0, 240, horizon, never, 5},
		{"with enough instances before", func(g *Group) { g.Min = 4 }, 220, 0, never, 0, 0, 4},
		// Target 40: 2 × 100 / 40 = 5 instances at once, 220 / 500 = 44%.
		{"with a lower target", func(g *Group) { g.TargetPercent = 40 }, 200, 0, 240, 0, 360, 5},
	} {
		group := example
		if test.group != nil {
			test.group(&group)
		}
		run := Simulate(group, delays, 60, test.after, test.phase)
		got := [4]int{run.FirstScaleOut, run.Overload, run.AtTarget, run.Instances}
		want := [4]int{test.firstScaleOut, test.overload, test.atTarget, test.instances}
		if got != want {
			t.Errorf("%s: first scale-out, overload, at the target, instances: %v, want %v", test.name, got, want)
		}
		if run.Ends == (test.overload == horizon) {
			t.Errorf("%s: the overload ends: %v", test.name, run.Ends)
		}
	}
	// 360 seconds in which 20 requests of 220 are too many.
	if run := Simulate(example, delays, 60, 220, 0); run.Excess != 7200 {
		t.Errorf("%v requests are too many, want 7200", run.Excess)
	}
}

// The average of the first period is over 60% if the step is in its first 25 seconds: (25 × 30 + 35 × 100) / 60 = 70.8, and at 34 it is
// (34 × 30 + 26 × 100) / 60 = 60.3. So the first scale-out is after 240 - 34 = 206 seconds at best, and after 300 - 35 = 265 at worst.
func TestBestAndWorstPhase(t *testing.T) {
	phases := SimulatePhases(example, awsDelays(75), 60, 220)
	if phases.Best.FirstScaleOut != 206 || phases.Worst.FirstScaleOut != 265 {
		t.Errorf("the first scale-out is after %d to %d seconds, want 206 to 265", phases.Best.FirstScaleOut, phases.Worst.FirstScaleOut)
	}
	if phases.Best.Overload != 326 || phases.Worst.Overload != 385 {
		t.Errorf("the overload is %d to %d seconds, want 326 to 385", phases.Best.Overload, phases.Worst.Overload)
	}
}
