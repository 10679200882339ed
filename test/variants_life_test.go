package test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/terraform"
)

// TestVariantsApply applies every other shape that an environment can have: without NAT, in three zones, with a
// domain, on Spot Instances, without protection. Each applies, and then has nothing to change.
func TestVariantsApply(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the applies")
	}
	t.Parallel()
	aws := startAWS(t)
	zone := createZone(t, aws, "example.com")

	dir := t.TempDir()
	if err := writeEnvironments(dir, "testdata/environments"); err != nil {
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
	binary := optionsFor(t, aws).Binary

	t.Run("all at once", func(t *testing.T) {
		for name := range out.stacks {
			if name == "bootstrap" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				folder := filepath.Join(out.dir, "cdktf.out", "stacks", name)
				// Their states need no bucket: Terraform's own way to say so stands beside the stack.
				if err := os.WriteFile(filepath.Join(folder, "backend_override.tf.json"), []byte(`{"terraform": {"backend": {"local": {}}}}`), 0o644); err != nil {
					t.Fatal(err)
				}
				stack, err := terraform.Open(folder, terraform.Options{Binary: binary, Env: aws.Env()})
				if err != nil {
					t.Fatal(err)
				}
				plan := filepath.Join(t.TempDir(), "plan")
				must(t, "plan", func() error {
					if err := stack.Init(t.Context()); err != nil {
						return err
					}
					_, err := stack.Plan(t.Context(), plan)
					return err
				})
				must(t, "apply", func() error { return stack.Apply(t.Context(), plan) })
				must(t, "the second plan is empty", func() error { return expectChanges(t, stack, nil) })
			})
		}
	})
}

// createZone makes the hosted zone that a domain needs, and is its id.
func createZone(t *testing.T, aws *local.AWS, name string) string {
	t.Helper()
	body := `<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Name>` + name +
		`</Name><CallerReference>test</CallerReference></CreateHostedZoneRequest>`
	response, err := http.Post(aws.Endpoint()+"/2013-04-01/hostedzone", "application/xml", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`<Id>/hostedzone/(Z[A-Z0-9]+)</Id>`).FindSubmatch(answer)
	if id == nil {
		t.Fatalf("create a hosted zone: %s %s", response.Status, answer)
	}
	return string(id[1])
}
