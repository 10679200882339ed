package config

import (
	"cmp"
	"slices"
	"time"
)

// Schedule is the scheduled actions of the Auto Scaling group.
type Schedule struct {
	// Sizes of the group from a time on, inside backend.minSize and backend.maxSize. Until the next action, target tracking scales the group
	// inside them.
	//
	// AWS allows 125 for each group (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html).
	Actions []ScheduledAction `json:"actions" jsonschema:"required,minItems=1,maxItems=125" change:"free: an action more or less. With the first action, deploy bootstrap first, for the roles. The group keeps the sizes of the last action. Without the block, the deploy sets backend.minSize and backend.maxSize again."`
}

// ScheduledAction is a scheduled action. A size that it does not set stays as it is.
type ScheduledAction struct {
	// Name of the action, unique in the file.
	//
	// AWS allows 255 characters (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html). The limits are
	// this project's: the name is in the resource's address.
	Name string `json:"name" jsonschema:"required,pattern=^[a-z][a-z0-9]*(-[a-z0-9]+)*$,maxLength=64" change:"free"`
	// When the action is performed again and again: minute, hour, day of the month, month, day of the week, as in cron.
	//
	// AWS's format has these five fields, and at most 255 characters
	// (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html). What is not in crontab(5), to which AWS refers,
	// is refused.
	Recurrence string `json:"recurrence,omitempty" jsonschema:"pattern=^[0-9A-Za-z*/\\,-]+( [0-9A-Za-z*/\\,-]+){4}$,maxLength=255" change:"free"`
	// Time zone of recurrence, Europe/Dublin.
	//
	// AWS's values are the names of the IANA Time Zone Database
	// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html).
	TimeZone string `json:"timeZone,omitempty" jsonschema:"pattern=^[A-Za-z][A-Za-z0-9_+/-]*$" change:"free"`
	// When the action is performed once, in UTC: 2027-11-26T08:00:00Z. Instead of recurrence.
	//
	// AWS's format: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html.
	StartTime string `json:"startTime,omitempty" jsonschema:"pattern=^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$" change:"free"`
	// When recurrence ends, in UTC. AWS then deletes the action.
	//
	// AWS's format is startTime's.
	EndTime string `json:"endTime,omitempty" jsonschema:"pattern=^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$" change:"free"`
	// Minimum number of instances from then on.
	//
	// The limits are backend.minSize's.
	MinSize int `json:"minSize,omitempty" jsonschema:"minimum=1,maximum=100" change:"free"`
	// Maximum number of instances from then on.
	//
	// The limits are backend.minSize's.
	MaxSize int `json:"maxSize,omitempty" jsonschema:"minimum=1,maximum=100" change:"free"`
	// Number of instances at that time; target tracking changes it afterwards.
	//
	// The limits are backend.minSize's.
	DesiredCapacity int `json:"desiredCapacity,omitempty" jsonschema:"minimum=1,maximum=100" change:"free"`
}

func (s Schedule) check(at place, e Environment) {
	names, starts, recurrences := map[string]int{}, map[string]int{}, map[recurrenceIn]int{}
	for i, action := range s.Actions {
		here := at.key("actions").item(i)
		if first, ok := names[action.Name]; ok {
			here.key("name").problem("%q is duplicated; it is also item %d", action.Name, first+1)
		}
		names[action.Name] = i
		action.checkTime(here)
		action.checkSizes(here, e.Backend)

		// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
		const isTaken = "%q is the time of item %d as well; AWS refuses two actions at one time, or performs them in any order"
		if first, ok := starts[action.StartTime]; ok {
			here.key("startTime").problem(isTaken, action.StartTime, first+1)
		} else if action.StartTime != "" {
			starts[action.StartTime] = i
		}
		if parsed, ok := parseRecurrence(action.Recurrence); ok {
			key := recurrenceIn{parsed, cmp.Or(action.TimeZone, "UTC")}
			if first, ok := recurrences[key]; ok {
				here.key("recurrence").problem(isTaken, action.Recurrence, first+1)
			} else {
				recurrences[key] = i
			}
		}
	}
}

// recurrenceIn is a recurrence in a time zone.
type recurrenceIn struct {
	recurrence
	timeZone string
}

func (s ScheduledAction) checkTime(at place) {
	switch {
	case (s.Recurrence == "") == (s.StartTime == ""):
		at.problem("%q needs either recurrence or startTime", s.Name)
	case s.Recurrence == "" && (s.TimeZone != "" || s.EndTime != ""):
		at.problem("%q has startTime, so it is performed once; timeZone and endTime belong to recurrence", s.Name)
	case s.Recurrence != "":
		switch parsed, ok := parseRecurrence(s.Recurrence); {
		case !ok:
			at.key("recurrence").problem("%q is not a schedule of cron; allowed: minute, hour, day of the month, month and day of the week, as 0 8 * * MON-FRI", s.Recurrence)
		case !parsed.comes():
			at.key("recurrence").problem("%q never comes; allowed: a day that one of its months has", s.Recurrence)
		}
	}
	if s.TimeZone != "" && !isTimeZone(s.TimeZone) {
		at.key("timeZone").problem("%q is not a time zone; allowed: names of the IANA Time Zone Database, as Europe/Dublin", s.TimeZone)
	}
	for _, each := range s.times() {
		if _, err := time.Parse(time.RFC3339, each.value); err != nil {
			at.key(each.key).problem("%q is not a time; allowed: YYYY-MM-DDThh:mm:ssZ", each.value)
		}
	}
}

// keyedTime is a time that a key sets.
type keyedTime struct{ key, value string }

// times are startTime and endTime, if they are set.
func (s ScheduledAction) times() []keyedTime {
	return slices.DeleteFunc([]keyedTime{{"startTime", s.StartTime}, {"endTime", s.EndTime}}, func(each keyedTime) bool { return each.value == "" })
}

// checkPast reports the times that are over. A file that was valid does not become invalid by itself, so this is not in check.
func (s Schedule) checkPast(at place, now time.Time) {
	for i, action := range s.Actions {
		for _, each := range action.times() {
			if when, err := time.Parse(time.RFC3339, each.value); err == nil && when.Before(now) {
				at.key("actions").item(i).key(each.key).problem("%q is in the past; AWS refuses it, and has deleted an action that is over: remove the action", each.value)
			}
		}
	}
}

// checkSizes applies AWS's order of the sizes, and keeps them inside the group's: the subnets have addresses for backend.maxSize, and an alarm
// expects backend.minSize.
func (s ScheduledAction) checkSizes(at place, backend Backend) {
	if s.MinSize == 0 && s.MaxSize == 0 && s.DesiredCapacity == 0 {
		at.problem("%q has no size; set minSize, maxSize or desiredCapacity", s.Name)
	}
	group := place{at.document, "backend"}
	for _, size := range []struct {
		key   string
		value int
	}{{"minSize", s.MinSize}, {"maxSize", s.MaxSize}, {"desiredCapacity", s.DesiredCapacity}} {
		if size.value != 0 && (size.value < backend.MinSize || size.value > backend.MaxSize) {
			at.key(size.key).problem("%d is not between backend.minSize, %s, and backend.maxSize, %s", size.value,
				group.key("minSize").other(backend.MinSize), group.key("maxSize").other(backend.MaxSize))
		}
	}
	switch {
	case s.MaxSize != 0 && s.MinSize > s.MaxSize:
		at.key("minSize").problem("%d is more than the action's maxSize, %d", s.MinSize, s.MaxSize)
	case s.DesiredCapacity != 0 && (s.DesiredCapacity < s.MinSize || s.MaxSize != 0 && s.DesiredCapacity > s.MaxSize):
		at.key("desiredCapacity").problem("%d is not between the action's minSize and maxSize", s.DesiredCapacity)
	}
}
