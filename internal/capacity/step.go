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
	Name    string      `json:"name"`
	Changes []Change    `json:"changes,omitempty"`    // of the file; none: the file as it is
	Monthly *cost.Cents `json:"monthlyUSD,omitempty"` // of all changes; nil: not known
	Note    string      `json:"note,omitempty"`       // on the cost
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
	add := func(s Setting, g Group) {
		s.Phases = SimulatePhases(g, delays, step.Before, after)
		step.Settings = append(step.Settings, s)
	}
	// run adds a group that has more instances only while the load stays.
	run := func(name string, g Group) {
		s := Setting{Name: name, Changes: c.changes(g), Monthly: c.groupCost(c.e.Backend.InstanceType, g.Needed(after)-c.group.Needed(after))}
		s.Note = noteOf(s.Monthly, "while the load stays")
		add(s, g)
	}
	add(Setting{Name: "today"}, c.group)
	if healthy := c.group.HealthyAfter(delays.Boot); healthy > c.group.Warmup {
		step.Notes = append(step.Notes, fmt.Sprintf("an instance is healthy after %d seconds, and backend.warmupSeconds is %d: the group replaces it before. Raise backend.warmupSeconds", healthy, c.group.Warmup))
	}
	if worst := step.Settings[0].Worst; worst.AtTarget == 0 {
		return step // there is nothing to improve
	}

	base := c.group
	if needed := min(maxGroup, c.group.unlimited(after)); needed > base.Max {
		base.Max = needed
		run("more instances", base)
	}
	if c.group.unlimited(after) > maxGroup {
		step.Notes = append(step.Notes, fmt.Sprintf("the load needs %d instances, and backend.maxSize is at most %d: use a larger backend.instanceType", c.group.unlimited(after), maxGroup))
	}

	all := base // the changes that cost only while the load stays
	all.TargetPercent = max(minTarget, base.TargetPercent-20)
	all.Max = max(base.Max, min(maxGroup, all.unlimited(after)))
	run("lower target", all)
	if warmup := base.shortWarmup(delays.Boot); warmup < base.Warmup {
		shorter := base
		shorter.Warmup, all.Warmup = warmup, warmup
		run("shorter warm-up", shorter)
	}
	if base.CheckInterval > minCheckInterval {
		quicker := base
		quicker.CheckInterval, all.CheckInterval = minCheckInterval, minCheckInterval
		run("quicker checks", quicker)
	}
	run("all of these", all)

	if needed := base.Needed(after); needed > base.Min {
		more := base
		more.Min = needed
		monthly := c.groupCost(c.e.Backend.InstanceType, needed-c.group.Min)
		add(Setting{Name: "higher minimum", Changes: c.changes(more), Monthly: monthly, Note: noteOf(monthly, "all month")}, more)
		hourly := noteOf(monthly, "")
		if monthly != nil {
			hourly = fmt.Sprintf("%.2f USD for each hour", float64(*monthly)/100/hoursPerMonth)
		}
		action := Change{Key: "schedule.actions", To: fmt.Sprintf("minSize %d, %d minutes before", needed, base.shortWarmup(delays.Boot)/60)}
		add(Setting{Name: "scheduled", Changes: append(c.changes(base), action), Note: hourly}, more)
	}
	return step
}

// Limits of keys (config).
const (
	minTarget        = 10
	minCheckInterval = 10
)

// changes are the changes of the file that make a group of today's.
func (c calculation) changes(g Group) (changes []Change) {
	for _, key := range []struct {
		name     string
		from, to int
	}{
		{"backend.targetCpuPercent", c.group.TargetPercent, g.TargetPercent},
		{"backend.minSize", c.group.Min, g.Min},
		{"backend.maxSize", c.group.Max, g.Max},
		{"backend.warmupSeconds", c.group.Warmup, g.Warmup},
		{"loadBalancer.healthCheckIntervalSeconds", c.group.CheckInterval, g.CheckInterval},
	} {
		if key.from != key.to {
			changes = append(changes, Change{Key: key.name, From: strconv.Itoa(key.from), To: strconv.Itoa(key.to)})
		}
	}
	return changes
}

// shortWarmup is a warm-up that ends half a minute after an instance is healthy, in whole minutes.
func (g Group) shortWarmup(boot int) int {
	return (g.HealthyAfter(boot) + 30 + 59) / 60 * 60
}
