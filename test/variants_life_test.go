package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
)

// testVariants applies every other shape that an environment can have: without NAT, in three zones, with a domain, on
// Spot Instances, without protection. The role that deploys applies each, and then has nothing to change.
func testVariants(t *testing.T, called *calls) {
	aws := startAWS(t)
	defer called.add(t, aws)
	zone := createZone(t, aws, "example.com")

	dir := t.TempDir()
	if err := writeEnvironments(dir, "testdata/environments/variants"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "environments", "own-domain.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inZone := strings.Replace(string(content), "Z0123456789ABCDEFGHIJ", zone, 1)
	if err := os.WriteFile(file, []byte(inZone), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := synthesize(dir)
	if err != nil {
		t.Fatal(err)
	}
	states := t.TempDir()
	keepStates(t, out, states)
	must(t, "bootstrap", func() error { return planAndApply(t, openStack(t, out, "bootstrap", aws)) })
	t.Run("all at once", func(t *testing.T) {
		for name := range out.stacks {
			if name == "bootstrap" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				deploys := deployer(t, aws, name)
				stack := openAs(t, out, name, deploys)
				must(t, "plan and apply", func() error { return planAndApply(t, stack) })
				must(t, "a pull request finds nothing to change", func() error { return expectChanges(t, openAs(t, out, name, planner(t, aws)), nil) })
				if name != "three-zones" {
					return
				}
				changed := openAs(t, changedOutput(t, states), name, deploys)
				must(t, "plan and apply what an operator may change later", func() error { return planAndApply(t, changed) })
				must(t, "the plan after that is empty", func() error { return expectChanges(t, changed, nil) })
			})
		}
	})
	if !t.Failed() {
		called.end()
	}
}

// keepStates keeps the states of stacks in files: they need no bucket. Terraform's own way to say so stands beside each.
func keepStates(t *testing.T, out output, dir string) {
	t.Helper()
	for name := range out.stacks {
		override := fmt.Sprintf(`{"terraform": {"backend": {"local": {"path": %q}}}}`, filepath.Join(dir, name+".tfstate"))
		if err := os.WriteFile(filepath.Join(out.dir, "cdktf.out", "stacks", name, "backend_override.tf.json"), []byte(override), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// changedOutput is an environment with everything changed that changes in place; repository is a tag on all of it.
func changedOutput(t *testing.T, states string) output {
	t.Helper()
	dir := t.TempDir()
	if err := writeEnvironments(dir, "testdata/changed"); err != nil {
		t.Fatal(err)
	}
	out, err := synthesize(dir)
	if err != nil {
		t.Fatal(err)
	}
	keepStates(t, out, states)
	return out
}

func planAndApply(t *testing.T, stack *terraform.Stack) error {
	plan := filepath.Join(t.TempDir(), "plan")
	if _, err := stack.Plan(t.Context(), plan); err != nil {
		return err
	}
	return stack.Apply(t.Context(), plan)
}

// createZone makes the hosted zone that a domain needs, and is its id.
func createZone(t *testing.T, aws *local.AWS, name string) string {
	t.Helper()
	body := `<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Name>` + name +
		`</Name><CallerReference>test</CallerReference></CreateHostedZoneRequest>`
	status, answer := request(t, aws, http.MethodPost, "", "/2013-04-01/hostedzone", body)
	id := regexp.MustCompile(`<Id>/hostedzone/(Z[A-Z0-9]+)</Id>`).FindStringSubmatch(answer)
	if id == nil {
		t.Fatalf("create a hosted zone: %d %s", status, answer)
	}
	return id[1]
}
