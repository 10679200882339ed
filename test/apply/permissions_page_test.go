package apply

import (
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

const permissionsPage = "docs/permissions.md"

// testPermissionsPage compares the actions that the policies allow and that no test called with the table in permissionsPage.
func testPermissionsPage(t *testing.T, recorded *calls) {
	explained := explainedActions(t)
	for role, allowed := range allowedActions(t) {
		called := recorded.of(role)
		uncalled := slices.DeleteFunc(allowed, func(action string) bool { return called[action] != nil })
		harness.EqualSets(t, "actions that are allowed to "+role+" and never called, in "+permissionsPage, explained[role], uncalled)
	}
}

// explainedActions reads the table of permissionsPage: a role, its actions, and the reason.
func explainedActions(t *testing.T) map[string][]string {
	t.Helper()
	explained := map[string][]string{}
	for line := range strings.Lines(harness.ReadFile(t, permissionsPage)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 || !strings.Contains(cells[1], ":") {
			continue
		}
		if !strings.Contains(strings.TrimSpace(cells[2]), " ") {
			t.Errorf("%s: no reason: %s", permissionsPage, line)
		}
		role := strings.TrimSpace(cells[0])
		for action := range strings.SplitSeq(cells[1], ",") {
			explained[role] = append(explained[role], strings.Trim(action, " `"))
		}
	}
	return explained
}
