package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// finding is a rule of the static checks that a resource breaks. Ids are unique in a stack.
type finding struct{ stack, id, rule string }

// exceptions is what package exception wrote into the stacks, with the reasons.
func exceptions() map[finding]string {
	all := map[finding]string{}
	for name, s := range variants.stacks {
		for address, r := range s.resources() {
			reasons, _ := r.get("//", "suppressions").(map[string]any)
			for rule, reason := range reasons {
				all[finding{name, idOf(address), rule}] = fmt.Sprint(reason)
			}
		}
	}
	return all
}

// idOf is the last part of an address: "network" of "aws_vpc.network".
func idOf(address string) string { return address[strings.LastIndex(address, ".")+1:] }

// isCheckov tells checkov's rules from those of parliament.
func isCheckov(rule string) bool { return strings.HasPrefix(rule, "CKV") }

// judge compares what a tool found, and its words for it, with the exceptions from its rules.
func judge(t *testing.T, found map[finding]string, ofTheTool func(rule string) bool) {
	t.Helper()
	accepted := exceptions()
	maps.DeleteFunc(accepted, func(f finding, _ string) bool { return !ofTheTool(f.rule) })
	for _, line := range disagreements(found, accepted) {
		t.Error(line)
	}
}

// disagreements is findings without an exception and exceptions without a finding, stack by stack: an exception that
// holds in one environment does not cover the others.
func disagreements(found, accepted map[finding]string) []string {
	stacks := map[string][]string{} // by what is wrong in them
	for f, words := range found {
		if _, ok := accepted[f]; !ok {
			line := fmt.Sprintf("%s breaks %s (%s): put it right, or say why not by suppress.Accept", f.id, f.rule, words)
			stacks[line] = append(stacks[line], f.stack)
		}
	}
	for f := range accepted {
		if _, ok := found[f]; !ok {
			line := fmt.Sprintf("%s does not break %s: its exception has to go", f.id, f.rule)
			stacks[line] = append(stacks[line], f.stack)
		}
	}
	var lines []string
	for _, line := range slices.Sorted(maps.Keys(stacks)) {
		lines = append(lines, line+"; in "+strings.Join(slices.Sorted(slices.Values(stacks[line])), ", "))
	}
	return lines
}

func TestFindingsAndExceptionsHaveToAgreeInEveryStack(t *testing.T) {
	logging := func(stack string) finding { return finding{stack, "frontend", "CKV_AWS_18"} }
	found := map[finding]string{logging("staging"): "no log", logging("production"): "no log", logging("modern"): "no log"}
	accepted := map[finding]string{logging("modern"): "Nobody reads it there", logging("open"): "Nobody reads it there"}
	equal(t, "disagreements", disagreements(found, accepted), []string{
		"frontend breaks CKV_AWS_18 (no log): put it right, or say why not by suppress.Accept; in production, staging",
		"frontend does not break CKV_AWS_18: its exception has to go; in open",
	})
	equal(t, "disagreements", disagreements(accepted, accepted), []string{})
}

func TestEveryExceptionHasAReason(t *testing.T) {
	all := exceptions()
	if len(all) == 0 {
		t.Error("found no exceptions")
	}
	for f, reason := range all {
		if !isSentence(reason) {
			t.Errorf("%s: the exception of %s from %s says %q", f.stack, f.id, f.rule, reason)
		}
	}
}

// isSentence takes less than five words for no reason.
func isSentence(reason string) bool { return len(strings.Fields(reason)) >= 5 }
