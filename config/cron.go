package config

import (
	_ "embed"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run ./timezones time_zones.txt

// timeZoneNames has the names of the IANA Time Zone Database, a line each. ./timezones writes it. The zones of the machine are not used: two
// machines would accept different files.
//
//go:embed time_zones.txt
var timeZoneNames string

var timeZones = sync.OnceValue(func() []string { return strings.Fields(timeZoneNames) })

// isTimeZone reports whether a name is in the IANA Time Zone Database.
func isTimeZone(name string) bool {
	_, found := slices.BinarySearch(timeZones(), name)
	return found
}

// cronField is a field of a schedule.
type cronField struct {
	min, max int
	names    []string // of the values from min on
}

var (
	minuteField = cronField{0, 59, nil}
	hourField   = cronField{0, 23, nil}
	dayField    = cronField{1, 31, nil}
	monthField  = cronField{1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}}

	weekdayNames = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// parse returns the set of a field's values, a bit each. ok is false unless the text is a list of *, values and ranges, each with a step or
// without. A value with a step is a range to the maximum.
func (f cronField) parse(text string) (values uint64, ok bool) {
	for item := range strings.SplitSeq(text, ",") {
		span, stepText, hasStep := strings.Cut(item, "/")
		first, last, step := f.min, f.max, 1
		if span != "*" {
			from, to, isRange := strings.Cut(span, "-")
			if first, ok = f.value(from); !ok {
				return 0, false
			}
			switch {
			case isRange:
				if last, ok = f.value(to); !ok || last < first {
					return 0, false
				}
			case !hasStep:
				last = first
			}
		}
		if hasStep {
			if step, ok = number(stepText); !ok || step == 0 || step > f.max {
				return 0, false
			}
		}
		for value := first; value <= last; value += step {
			values |= 1 << value
		}
	}
	return values, true
}

func (f cronField) value(text string) (value int, ok bool) {
	if i := slices.Index(f.names, strings.ToUpper(text)); i >= 0 {
		return f.min + i, true
	}
	value, ok = number(text)
	return value, ok && value >= f.min && value <= f.max
}

// number is a number of one or two digits.
func number(text string) (value int, ok bool) {
	value, err := strconv.Atoi(text)
	return value, err == nil && len(text) <= 2 && !strings.ContainsAny(text, "+-")
}

// recurrence is the values of the fields of a schedule in crontab(5). Equal schedules are equal.
type recurrence struct {
	minutes, hours, days, months, weekdays uint64

	// Whether the field begins with *. If neither does, the schedule is for the days of one field and those of the other.
	anyDay, anyWeekday bool
}

// parseRecurrence reads a schedule in the form of crontab(5) (https://man7.org/linux/man-pages/man5/crontab.5.html), where only * and ranges
// have steps. Ranges of names, as MON-FRI, are accepted as well.
func parseRecurrence(text string) (r recurrence, ok bool) {
	fields := strings.Split(text, " ")
	if len(fields) != 5 {
		return r, false
	}
	for i, field := range []struct {
		cronField
		values *uint64
	}{
		{minuteField, &r.minutes},
		{hourField, &r.hours},
		{dayField, &r.days},
		{monthField, &r.months},
		{cronField{0, 7, weekdayNames}, &r.weekdays},
	} {
		for item := range strings.SplitSeq(fields[i], ",") {
			if span, _, hasStep := strings.Cut(item, "/"); hasStep && span != "*" && !strings.Contains(span, "-") {
				return r, false
			}
		}
		if *field.values, ok = field.parse(fields[i]); !ok {
			return r, false
		}
	}
	const sunday = 1 << 7 // which is also 0
	if r.weekdays&sunday != 0 {
		r.weekdays = r.weekdays&^sunday | 1
	}
	r.anyDay, r.anyWeekday = strings.HasPrefix(fields[2], "*"), strings.HasPrefix(fields[4], "*")
	return r, true
}

// comes reports whether there is a day of the schedule: not with the 31st of February only.
func (r recurrence) comes() bool {
	if !r.anyWeekday {
		return true // each week has one
	}
	first := bits.TrailingZeros64(r.days)
	for i, length := range []int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31} {
		if month := i + 1; r.months&(1<<month) != 0 && first <= length {
			return true
		}
	}
	return false
}
