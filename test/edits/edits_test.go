// Package edits makes an operator's everyday edits, and runs the tests that read the environment files.
package edits

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestMain(m *testing.M) {
	harness.LowerPriority()
	harness.Main(m)
}

// edit replaces old by new in an environment file.
type edit struct{ file, old, new string }

const (
	anotherAccount = "another account for staging"

	production = "environments/production.yaml"
	staging    = "environments/staging.yaml"
)

func TestNoTestFailsBecauseOfAnOperatorsEdit(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the edits: each runs test/claims again")
	}
	checkout := harness.CopyCheckout(t)
	for name, edits := range map[string][]edit{
		"everyday edits of staging": {
			{staging, "logRetentionDays: 7", "logRetentionDays: 14"},
			{staging, "backend:\n", "backend:\n  instanceType: t3.small\n"},
			{staging, "network:\n", "network:\n  sshCidrs: [203.0.113.0/24]\n"},
			{staging, "monitoring:\n", "monitoring:\n  alarmEmails: [oncall@example.com]\n"},
			{
				staging, "privateCidr: 10.1.4.0/24}\n",
				"privateCidr: 10.1.4.0/24}\n    - {name: eu-west-1c, publicCidr: 10.1.5.0/24, privateCidr: 10.1.6.0/24}\n",
			},
		},
		"first step of a deploy": append(firstStep(production, "  alarmEmails: []"), firstStep(staging, "monitoring:")...),
		anotherAccount:           firstStep(staging, "monitoring:"),
	} {
		t.Run(name, func(t *testing.T) {
			defer apply(t, checkout, edits)()
			if out, err := goTest(checkout, "./config", "./test/claims"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			out, err := goTest(checkout, "./test/lint", "-run", "^TestWorkflow")
			if name == anotherAccount {
				// The workflows plan each account's bootstrap stack, so they have to name the new one.
				if want := "bootstrap-210987654321"; !strings.Contains(out, want) {
					t.Errorf("the tests of the workflows do not ask for %s: %v\n%s", want, err, out)
				}
			} else if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// firstStep is step 1 of "The first time" in docs/deploying.md.
func firstStep(file, emails string) []edit {
	return []edit{
		{file, `"123456789012"`, `"210987654321"`},
		{file, "starttech/infrastructure", "acme/platform"},
		{file, "starttech/application", "acme/shop"},
		{file, emails, strings.TrimSuffix(emails, "  alarmEmails: []") + "\n  alarmEmails: [oncall@acme.example]"},
	}
}

func goTest(checkout string, arguments ...string) (string, error) {
	test := exec.Command("go", append([]string{"test", "-timeout", "40m"}, arguments...)...)
	test.Dir = checkout
	out, err := test.CombinedOutput()
	return string(out), err
}

// apply makes the edits, and returns a function that takes them back.
func apply(t *testing.T, checkout string, edits []edit) func() {
	t.Helper()
	before := map[string]string{}
	for _, e := range edits {
		path := filepath.Join(checkout, e.file)
		content := read(t, path)
		if _, ok := before[path]; !ok {
			before[path] = content
		}
		if !strings.Contains(content, e.old) {
			t.Fatalf("%s does not contain %q", e.file, e.old)
		}
		write(t, path, strings.Replace(content, e.old, e.new, 1))
	}
	return func() {
		for path, content := range before {
			write(t, path, content)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	return string(harness.Must(t, content, err))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	harness.Must(t, 0, os.MkdirAll(filepath.Dir(path), 0o755))
	harness.Must(t, 0, os.WriteFile(path, []byte(content), 0o644))
}
