package apply

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// transition is a step away from what the architecture document names, or from what AWS or HashiCorp has deprecated.
type transition struct {
	section string // of docs/leaving.md, which has the plan
	stack   string // that changes
	change  change
}

var (
	transitions = []transition{
		{"Amazon Linux 2 to 2023", "production", change{key: "backend.amazonLinux", value: "al2023"}},
		{"Redis to Valkey", "production", change{key: "cache.engine", value: "valkey"}},
		{"Origin access identity to origin access control", "production", change{key: "frontend.originAccess", value: "oac"}},
	}
	// lockTransition requires Terraform 1.11.
	lockTransition = transition{"DynamoDB's lock to S3's", "bootstrap", change{key: "state.lock", value: "both"}}
)

// testTransitions plans transitions of the deployed stacks, and requires that docs/leaving.md has exactly these plans.
func testTransitions(t *testing.T, aws *local.AWS, transitions ...transition) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(harness.Root, "docs", "leaving.md"))
	page := string(harness.Must(t, content, err))
	content, err = os.ReadFile(filepath.Join(harness.Root, harness.ReferenceDir, "staging.yaml"))
	staging := string(harness.Must(t, content, err))
	for _, c := range transitions {
		files := map[string]string{"environments/production.yaml": changedFile(t, c.change), "environments/staging.yaml": staging}
		if c.change.key == lockTransition.change.key { // which the environments of an account share
			files["environments/staging.yaml"] += fmt.Sprintf("\nstate: {lock: %s}\n", c.change.value)
		}
		out, err := harness.Synthesize(harness.WriteFiles(t, files))
		stack := open(t, harness.Must(t, out, err), c.stack, aws.Env())
		stack.plan(t, c.section)
		_, section, found := strings.Cut(page, "\n## "+c.section+"\n")
		if !found {
			t.Errorf("docs/leaving.md has no section %q", c.section)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		harness.Has(t, "docs/leaving.md, "+c.section, section, summarize(stack.show(t)))
	}
}

// summarize returns the changes of a plan as an indented block: a line for each resource, with Terraform's symbol, and Terraform's sum.
func summarize(plan *tfjson.Plan) string {
	var lines []string
	added, changed, destroyed := 0, 0, 0
	for _, resource := range plan.ResourceChanges {
		symbol := ""
		switch actions := resource.Change.Actions; {
		case actions.Replace():
			symbol = "-/+"
			added++
			destroyed++
		case actions.Create():
			symbol = "+"
			added++
		case actions.Update():
			symbol = "~"
			changed++
		case actions.Delete():
			symbol = "-"
			destroyed++
		default:
			continue
		}
		lines = append(lines, fmt.Sprintf("    %s %s\n", symbol, resource.Address))
	}
	slices.Sort(lines)
	return strings.Join(lines, "") + fmt.Sprintf("    Plan: %d to add, %d to change, %d to destroy.\n", added, changed, destroyed)
}
