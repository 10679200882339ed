package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// suppressions is the reasons that package suppress wrote into the stacks.
func suppressions(t *testing.T) findings {
	t.Helper()
	all := findings{}
	for name, s := range harness.Linted(t) {
		for address, r := range s.Resources() {
			reasons, _ := r.Get("//", "suppressions").(map[string]any)
			for rule, reason := range reasons {
				all[finding{name, harness.IDOf(address), rule}] = fmt.Sprint(reason)
			}
		}
	}
	return all
}

// isCheckov reports whether a rule is checkov's. The others are parliament's.
func isCheckov(rule string) bool { return strings.HasPrefix(rule, "CKV") }

// compareFindings fails the test unless the findings of a linter are the suppressions of its rules.
func compareFindings(t *testing.T, found findings, isItsRule func(rule string) bool) {
	t.Helper()
	suppressed := suppressions(t)
	maps.DeleteFunc(suppressed, func(f finding, _ string) bool { return !isItsRule(f.rule) })
	for _, line := range differences(found, suppressed) {
		t.Error(line)
	}
}

// differences lists findings without a suppression and suppressions without a finding, by stack: a suppression in one
// environment does not cover the others.
func differences(found, suppressed findings) []string {
	stacks := map[string][]string{} // by line
	for f, message := range found {
		if _, ok := suppressed[f]; !ok {
			line := fmt.Sprintf("%s breaks %s (%s): fix it, or suppress it with suppress.Finding", f.id, f.rule, message)
			stacks[line] = append(stacks[line], f.stack)
		}
	}
	for f := range suppressed {
		if _, ok := found[f]; !ok {
			line := fmt.Sprintf("%s does not break %s: remove its suppression", f.id, f.rule)
			stacks[line] = append(stacks[line], f.stack)
		}
	}
	var lines []string
	for _, line := range slices.Sorted(maps.Keys(stacks)) {
		lines = append(lines, line+"; in "+strings.Join(slices.Sorted(slices.Values(stacks[line])), ", "))
	}
	return lines
}

func TestFindingsAndSuppressionsAreComparedByStack(t *testing.T) {
	logging := func(stack string) finding { return finding{stack, "frontend", "CKV_AWS_18"} }
	found := findings{logging("staging"): "no log", logging("production"): "no log", logging("modern"): "no log"}
	suppressed := findings{logging("modern"): "Nobody reads it there", logging("open"): "Nobody reads it there"}
	harness.Equal(t, "differences", differences(found, suppressed), []string{
		"frontend breaks CKV_AWS_18 (no log): fix it, or suppress it with suppress.Finding; in production, staging",
		"frontend does not break CKV_AWS_18: remove its suppression; in open",
	})
	harness.Equal(t, "differences", differences(suppressed, suppressed), []string{})
}

func TestEverySuppressionHasAReason(t *testing.T) {
	t.Parallel()
	all := suppressions(t)
	if len(all) == 0 {
		t.Error("found no suppressions")
	}
	for f, reason := range all {
		if !isReason(reason) {
			t.Errorf("%s: the suppression of %s on %s has the reason %q", f.stack, f.rule, f.id, reason)
		}
	}
}

// isReason reports whether a text has at least five words.
func isReason(text string) bool { return len(strings.Fields(text)) >= 5 }
