package capacity

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/starttech/infrastructure/config"
)

func settingsOf(step Step) map[string]Setting {
	settings := map[string]Setting{}
	for _, setting := range step.Settings {
		settings[setting.Name] = setting
	}
	return settings
}

// With 120 seconds of boot, an instance has failed the checks at 0, 30, 60 and 90, and is healthy after those at 120 and 150.
func TestSettingsThatFollowTheTrafficBetter(t *testing.T) {
	step := report(t, production(nil), at(500)).Step
	if step.Before != 120 || step.After != 500 { // 2 × 120 at the target, the half of it
		t.Errorf("the step is from %v to %v", step.Before, step.After)
	}
	settings := settingsOf(step)
	names := slices.Sorted(maps.Keys(settings))
	if want := []string{"all of these", "higher minimum", "lower target", "quicker checks", "scheduled", "shorter warm-up", "today"}; !slices.Equal(names, want) {
		t.Errorf("the settings are %q, want %q", names, want)
	}
	// An instance costs 11.302 a month.
	for name, want := range map[string]string{
		"lower target":    "backend.targetCpuPercent 60 → 40, backend.maxSize 5 → 7 (+22.60 USD a month, while the load stays)", // 500 / 80 = 6.25: 2 more
		"shorter warm-up": "backend.warmupSeconds 300 → 180 (no charge)",
		"quicker checks":  "loadBalancer.healthCheckIntervalSeconds 30 → 10 (no charge)",
		"all of these": "backend.targetCpuPercent 60 → 40, backend.maxSize 5 → 7, backend.warmupSeconds 300 → 180, " +
			"loadBalancer.healthCheckIntervalSeconds 30 → 10 (+22.60 USD a month, while the load stays)",
		"higher minimum": "backend.minSize 2 → 5 (+33.91 USD a month, all month)",                 // 500 / 120 = 4.2: 3 more
		"scheduled":      "schedule.actions minSize 5, 3 minutes before (0.05 USD for each hour)", // 33.91 / 730
	} {
		if got := settings[name].text(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if today := settings["today"].Worst; today.Overload <= settings["all of these"].Worst.Overload || settings["higher minimum"].Worst.Overload != 0 {
		t.Errorf("overload: today %d, with all changes %d, with a higher minimum %d", today.Overload, settings["all of these"].Worst.Overload, settings["higher minimum"].Worst.Overload)
	}
	if got := settings["shorter warm-up"].Worst.AtTarget; got >= settings["today"].Worst.AtTarget {
		t.Errorf("with a shorter warm-up, the target is reached after %d seconds, and with today's after %d", got, settings["today"].Worst.AtTarget)
	}
	// The checks at 0, 10, ..., 110 fail, and those at 120 and 130 succeed: 20 seconds earlier than with an interval of 30.
	if got := settings["today"].Worst.Overload - settings["quicker checks"].Worst.Overload; got != 20 {
		t.Errorf("quicker checks save %d seconds, want 20", got)
	}
}

func TestSettingsAtTheLimits(t *testing.T) {
	for _, test := range []struct {
		name     string
		change   func(*config.Environment)
		load     Load
		settings int
		note     string // a part of it; empty: none
		ends     bool   // today's overload
	}{
		{"a load that the minimum serves", nil, at(200), 1, "", true},
		{"a load over the maximum", nil, at(1100), 8, "", false},                                                                     // 1100 / 120 = 9.2
		{"a load over every maximum", nil, at(13_000), 8, "the load needs 109 instances, and backend.maxSize is at most 100", false}, // 108.3
		{"a slow boot", nil, func() Load { l := at(500); l.BootTime = 400 * time.Second; return l }(), 6, "an instance is healthy after 450 seconds, and backend.warmupSeconds is 300", true},
	} {
		step := report(t, production(test.change), test.load).Step
		if len(step.Settings) != test.settings {
			t.Errorf("%s: %d settings, want %d", test.name, len(step.Settings), test.settings)
		}
		if got := strings.Join(step.Notes, "; "); !strings.HasPrefix(got, test.note) || test.note == "" && got != "" {
			t.Errorf("%s: the notes are %q, want %q", test.name, got, test.note)
		}
		if step.Settings[0].Worst.Ends != test.ends {
			t.Errorf("%s: the overload ends: %v", test.name, step.Settings[0].Worst.Ends)
		}
	}
}

func TestChart(t *testing.T) {
	r := report(t, production(nil), at(500))
	plain, terminal := r.Text(false), r.Text(true)
	// The worst run: scaled out after 265 seconds, healthy 150 seconds later, at 415. 4 instances then have 62.5%.
	row := "\n  today            " + strings.Repeat("!", 28) + "+"
	if !strings.Contains(plain, row) {
		t.Errorf("no %q in\n%s", row, plain)
	}
	if strings.Contains(plain, "\x1b") || !strings.Contains(terminal, "\x1b[31m█\x1b[0m") {
		t.Error("colours without a terminal, or none in a terminal")
	}
	for line := range strings.SplitSeq(plain, "\n") {
		if utf8.RuneCountInString(line) > columns && !strings.Contains(line, "https://") {
			t.Errorf("longer than %d columns: %q", columns, line)
		}
		if strings.HasPrefix(line, "  today            !") && len(line) != len("  today            ")+chartColumns {
			t.Errorf("the chart has %d columns", len(line)-len("  today            "))
		}
	}
	if r.Text(false) != report(t, production(nil), at(500)).Text(false) {
		t.Error("two reports of the same load differ")
	}
}
