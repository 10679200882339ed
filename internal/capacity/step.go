package capacity

import (
	"fmt"
	"strconv"

	"github.com/starttech/infrastructure/internal/cost"
)

// hoursPerMonth is the month of internal/cost.
const hoursPerMonth = 730

// maxGroup is the highest value of backend.maxSize.
const maxGroup = 100

// Step is what happens if the traffic rises from one second to the next, with the settings of the file and with others.
type Step struct {
	Before   float64   `json:"before"` // requests a second
	After    float64   `json:"after"`
	Settings []Setting `json:"settings"` // the first is the file's
	Notes    []string  `json:"notes,omitempty"`
}

// Setting is settings of a group, and what happens with them.
type Setting struct {
	Name    string   `json:"name"`
	Changes []Change `json:"changes,omitempty"` // of the file; none: the file as it is
	Phases
}

// step simulates a step to the load. Without a load, it is to what backend.maxSize instances serve at the target. Before it, the group has
// backend.minSize instances at half the target, or half of the load.
func (c calculation) step() Step {
	after := c.load.rps()
	if after == 0 {
		after = c.atTarget(c.group.Max)
	}
	step := Step{Before: min(c.atTarget(c.group.Min), after) / 2, After: after}
	delays := awsDelays(int(c.load.BootTime.Seconds()))
	run := func(name string, g Group, changes ...Change) {
		step.Settings = append(step.Settings, Setting{name, changes, SimulatePhases(g, delays, step.Before, after)})
	}
	run("today", c.group)
	if healthy := c.group.HealthyAfter(delays.Boot); healthy > c.group.Warmup {
		step.Notes = append(step.Notes, fmt.Sprintf("an instance is healthy after %d seconds, and backend.warmupSeconds is %d: the group would replace it before. Raise backend.warmupSeconds", healthy, c.group.Warmup))
	}
	if worst := step.Settings[0].Worst; worst.AtTarget == 0 {
		return step // there is nothing to improve
	}

	base, enough := c.group, []Change(nil)
	if needed := min(maxGroup, c.group.unlimited(after)); needed > base.Max {
		base.Max = needed
		enough = append(enough, c.grow("backend.maxSize", c.group.Max, needed, "while all of them run"))
		run("more instances", base, enough...)
	}
	if c.group.unlimited(after) > maxGroup {
		step.Notes = append(step.Notes, fmt.Sprintf("the load needs %d instances, and backend.maxSize is at most %d: use a larger backend.instanceType", c.group.unlimited(after), maxGroup))
	}
	with := func(changes ...Change) []Change { return append(append([]Change(nil), enough...), changes...) }

	lower := base
	lower.TargetPercent = max(10, base.TargetPercent-20)
	lower.Max = max(base.Max, min(maxGroup, lower.unlimited(after)))
	target := c.targetChange(base, lower, after)
	shorter := base
	shorter.Warmup = c.shortWarmup(delays.Boot)
	warmup := Change{Key: "backend.warmupSeconds", From: strconv.Itoa(base.Warmup), To: strconv.Itoa(shorter.Warmup), Monthly: new(cost.Cents)}

	run("lower target", lower, with(target...)...)
	if shorter.Warmup < base.Warmup {
		run("shorter warm-up", shorter, with(warmup)...)
		both := lower
		both.Warmup = shorter.Warmup
		run("both", both, with(append(target, warmup)...)...)
	}
	if needed := base.Needed(after); needed > base.Min {
		more := base
		more.Min = needed
		run("higher minimum", more, with(c.grow("backend.minSize", c.group.Min, needed, "all month"))...)
		hourly := "no price"
		if monthly := c.groupCost(c.e.Backend.InstanceType, needed-c.group.Min); monthly != nil {
			hourly = fmt.Sprintf("%.2f USD for each hour", float64(*monthly)/100/hoursPerMonth)
		}
		run("scheduled", more, with(Change{Key: "schedule.actions", To: fmt.Sprintf("minSize %d, %d minutes before", needed, c.minutesBefore(delays.Boot)), Note: hourly})...)
	}
	return step
}

// grow is a change of a size of the group.
func (c calculation) grow(key string, from, to int, note string) Change {
	return Change{Key: key, From: strconv.Itoa(from), To: strconv.Itoa(to), Monthly: c.groupCost(c.e.Backend.InstanceType, to-from), Note: note}
}

// targetChange is the change to a lower target, which needs more instances for the same load.
func (c calculation) targetChange(from, to Group, rps float64) []Change {
	changes := []Change{{
		Key: "backend.targetCpuPercent", From: strconv.Itoa(from.TargetPercent), To: strconv.Itoa(to.TargetPercent),
		Monthly: c.groupCost(c.e.Backend.InstanceType, to.Needed(rps)-from.Needed(rps)), Note: "if the load stays",
	}}
	if to.Max > from.Max {
		changes = append(changes, Change{Key: "backend.maxSize", From: strconv.Itoa(from.Max), To: strconv.Itoa(to.Max), Note: "included"})
	}
	return changes
}

// shortWarmup is a warm-up that ends half a minute after an instance is healthy, in whole minutes.
func (c calculation) shortWarmup(boot int) int {
	return (c.group.HealthyAfter(boot) + 30 + 59) / 60 * 60
}

// minutesBefore is how long before the traffic a scheduled action has to be.
func (c calculation) minutesBefore(boot int) int { return c.shortWarmup(boot) / 60 }
