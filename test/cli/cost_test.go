package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// newCostCheckout is a checkout whose program writes production with as many keys as its file has lines with "key". The environment files are
// committed.
func newCostCheckout(t *testing.T) checkout {
	t.Helper()
	c := newProgramCheckout(t)
	c.write(t, "main.go", `package main

import (
	"fmt"
	"os"
	"strings"

	_ "github.com/aws/constructs-go/constructs/v10"
)

func main() {
	file, err := os.ReadFile("environments/production.yaml")
	if err != nil || strings.Contains(string(file), "# broken") {
		fmt.Println("synthesize: broken")
		os.Exit(1)
	}
	var keys []string
	for i := range strings.Count(string(file), "# key") {
		keys = append(keys, fmt.Sprintf("\"k%d\": {}", i))
	}
	stack := "{\"provider\": {\"aws\": [{\"region\": \"eu-west-1\"}]}, \"resource\": {\"aws_kms_key\": {" + strings.Join(keys, ", ") + "}, \"aws_new_thing\": {\"x\": {}}}}"
	for name, content := range map[string]string{
		"cdktf.out/manifest.json": "{\"stacks\": {\"production\": {}, \"bootstrap\": {}}}",
		"cdktf.out/stacks/production/cdk.tf.json": stack,
		"cdktf.out/stacks/bootstrap/cdk.tf.json": stack,
	} {
		if err := os.MkdirAll(name[:strings.LastIndex(name, "/")], 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			panic(err)
		}
	}
}
`)
	c.write(t, "environments/production.yaml", c.read(t, "environments/production.yaml")+"# key\n")
	c.git(t, "init", "--quiet")
	c.git(t, "add", "environments")
	c.git(t, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=x")
	return c
}

func (c checkout) git(t *testing.T, arguments ...string) {
	t.Helper()
	command := exec.Command("git", arguments...)
	c.in(command)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", arguments, err, out)
	}
}

func TestCostOfAChangedFile(t *testing.T) {
	t.Parallel()
	c := newCostCheckout(t)
	c.env["TMPDIR"] = t.TempDir()
	unchanged, failed := c.run(t, "cost")
	has(t, "cost of a committed file", unchanged, "Monthly cost of production in eu-west-1\n", "\nKMS keys   1 × KMS key *", "\nnot priced: aws_new_thing\n",
		"* This price is not verified for eu-west-1.\n")
	if failed || strings.Contains(unchanged, "Difference") {
		t.Errorf("failed: %v, a difference of a committed file, or no success:\n%s", failed, unchanged)
	}

	committed := c.read(t, "environments/production.yaml")
	c.write(t, "environments/production.yaml", committed+"# key\n# key\n")
	const difference = `
Difference from the committed environment files, on-demand:

component  before  after  difference
KMS keys     1.00   3.00       +2.00
total        1.00   3.00       +2.00
`
	c.mustRun(t, "cost", difference)
	c.mustRun(t, "cost --env bootstrap", difference) // of any file
	staging, _ := c.run(t, "cost --env staging")
	has(t, "cost of a stack that was not synthesized", staging, "cdktf.out/stacks/staging/cdk.tf.json: no such file")
	left, err := filepath.Glob(filepath.Join(c.env["TMPDIR"], "starttech-*"))
	equal(t, "temporary files", len(harness.Must(t, left, err)), 0)

	output := harness.Must2(t, c.command(t, "cost --output json").Output)
	var document struct {
		Stack, Region, Currency string
		Cost, Before            struct {
			Total struct{ OnDemand, AtMost float64 }
		}
	}
	check(t, json.Unmarshal(output, &document))
	equal(t, "stack, region and currency", document.Stack+" "+document.Region+" "+document.Currency, "production eu-west-1 USD")
	equal(t, "totals", []float64{document.Cost.Total.OnDemand, document.Cost.Total.AtMost, document.Before.Total.OnDemand}, []float64{3, 3, 1})

	// The committed file is broken, and then there is none, and then no repository.
	c.write(t, "environments/production.yaml", committed+"# broken\n")
	c.git(t, "add", "environments")
	c.git(t, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=x")
	c.write(t, "environments/production.yaml", committed)
	broken, failed := c.run(t, "cost")
	has(t, "cost with a broken commit", broken, "warning: no difference is shown: Synthesize the committed environment files: broken\n", "\nKMS keys   1 × KMS key *")
	equal(t, "it fails with a broken commit", failed, false)
	for _, arguments := range [][]string{{"rm", "--quiet", "--cached", "environments/production.yaml"}, {"-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=x"}} {
		c.git(t, arguments...)
	}
	for _, state := range []string{"without a committed file", "without a repository"} {
		text, failed := c.run(t, "cost")
		has(t, "cost "+state, text, "\nKMS keys   1 × KMS key *")
		if failed || strings.Contains(text, "ifference") || strings.Contains(text, "git") {
			t.Errorf("cost %s: failed: %v\n%s", state, failed, text)
		}
		check(t, os.RemoveAll(filepath.Join(c.dir, ".git")))
	}
}

func TestCostErrors(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.mustFail(t, "cost --output xml", `output: "xml" is not a format; allowed: text, json`)
	c.mustFail(t, "cost --env nowhere", `"nowhere" is not a stack; the stacks are bootstrap, production, staging`)
	c.mustRun(t, `__complete cost --output ""`, "text\njson\n:4\n")
	c.mustRun(t, `__complete cost --env ""`, "bootstrap\nproduction\nstaging\n:4\n")
	c.remove(t, "environments/staging.yaml") // the environments of an account are in one region
	file := c.read(t, "environments/production.yaml")
	c.write(t, "environments/production.yaml", "region: eu-central-1\n"+strings.ReplaceAll(file, "name: eu-west-1", "name: eu-central-1"))
	c.mustFail(t, "cost", `cost production: region "eu-central-1": the table of prices (internal/cost/prices.go) has those of eu-west-1 only`)
}
