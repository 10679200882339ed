package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// invalidInput is an input of the stack that Terraform cannot plan.
const invalidInput = `${file("missing.txt")}`

func TestFailedPlanReplacesPlanAndComment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change          func(t *testing.T, c checkout)
		message, output string // in the file plan.failed; output is Terraform's
	}{
		"no credentials": {
			change:  func(_ *testing.T, c checkout) { delete(c.env, "AWS_ACCESS_KEY_ID") },
			message: "no AWS credentials: sign in (aws sso login) and set AWS_PROFILE",
		},
		"another account": {
			change:  func(t *testing.T, c checkout) { c.env["AWS_ENDPOINT_URL"] = startSTS(t, "999999999999") },
			message: `account: "123456789012", but the credentials are for account 999999999999`,
		},
		"plan fails": {
			change:  func(t *testing.T, c checkout) { c.writeStack(t, invalidInput, nil) },
			message: "plan production: Invalid function argument", output: "missing.txt",
		},
		"synthesis fails in a fresh checkout": {
			change: func(t *testing.T, c checkout) {
				check(t, os.RemoveAll(filepath.Join(c.dir, "cdktf.out")))
				check(t, os.RemoveAll(filepath.Join(c.dir, ".local")))
			},
			message: "npm is not on PATH: install Node.js",
		},
		"invalid environment file": {
			change: func(t *testing.T, c checkout) {
				c.write(t, "environments/production.yaml", "account: 1\n"+repositories)
			},
			message: "environments/production.yaml:1:10: account: 1 is a number",
		},
		"init fails": {
			change: func(t *testing.T, c checkout) {
				c.write(t, productionDir+"more.tf.json", `{"terraform": {"required_version": "< 1.0.0"}}`)
			},
			message: "init production: Unsupported Terraform Core version", output: "< 1.0.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckout(t)
			gitHub := c.startGitHub(t)
			c.mustRun(t, "plan --env production", "")
			c.comment(t)
			test.change(t, c)
			c.mustFail(t, "plan --env production", test.message)

			equal(t, "plan", c.read(t, productionDir+"plan")+c.read(t, productionDir+"plan.digest"), "")
			var failure struct{ Message, Output string }
			check(t, json.Unmarshal([]byte(c.read(t, productionDir+"plan.failed")), &failure))
			has(t, "message", failure.Message, test.message)
			equal(t, "message has the title of the step", strings.Contains(failure.Message, "Plan production: "), false)
			has(t, "output", failure.Output, test.output)

			c.comment(t)
			equal(t, "comments", len(gitHub.Comments), 1)
			has(t, "comment", gitHub.Comments[0].Body, planMarker, "failed", strings.Fields(test.message)[0], test.output)
		})
	}
}

func TestPlanReplacesFailedPlan(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	gitHub := c.startGitHub(t)
	c.writeStack(t, invalidInput, nil)
	c.mustFail(t, "plan --env production", "plan production: ")
	c.plan(t, "a", nil)
	equal(t, "plan.failed", c.read(t, productionDir+"plan.failed"), "")
	c.comment(t)
	has(t, "comment", gitHub.Comments[0].Body, "1 to add, 0 to change, 0 to destroy")
}

func TestPlanSynthesizesIfSourceIsNewer(t *testing.T) {
	t.Parallel()
	c := newProgramCheckout(t)
	wantRuns := func(want int, what string) {
		t.Helper()
		c.mustRun(t, "plan", "Plan of production: ")
		equal(t, "runs of the program "+what, len(c.read(t, "runs")), want)
	}
	environment := c.read(t, "environments/production.yaml")
	wantRuns(1, "the first time")
	wantRuns(1, "if nothing has changed")
	c.write(t, "environments/production.yaml", environment+"# a comment\n")
	wantRuns(2, "after a change of an environment file")
	c.write(t, "main.go", smallProgram+"\n// A comment.\n")
	wantRuns(3, "after a change of the code")
	c.write(t, "more.go", "package main\n")
	wantRuns(4, "after a new Go file")
	c.write(t, productionDir+"cdk.tf.json", "{}")
	wantRuns(5, "after a change of the result")
	c.remove(t, productionDir+"cdk.tf.json")
	wantRuns(6, "without the result")
	c.write(t, "main_test.go", "package main\n")
	c.write(t, "README.md", "")
	wantRuns(6, "after changes of other files")

	c.write(t, "environments/production.yaml", "account: 1\n"+repositories)
	c.mustFail(t, "plan", "environments/production.yaml:1:10: account: 1 is a number, not a string; put it in quotes")
	c.write(t, "environments/production.yaml", environment)
	c.write(t, "main.go", "package main\n\nfunc main() { broken }\n")
	c.mustFail(t, "plan", "main.go:3:15: undefined: broken")
}

// cdktf.out is current, but since it was written, the time of an action has passed.
func TestScheduleInThePastStopsPlanAndDeployOnly(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.write(t, "environments/production.yaml", account+"schedule: {actions: [{name: a, startTime: \"2020-01-01T00:00:00Z\", minSize: 3}]}\n")
	c.recordSynthesis(t)
	const past = `environments/production.yaml:4:43: schedule.actions[0].startTime: "2020-01-01T00:00:00Z" is in the past`
	c.mustFail(t, "plan --env production", past)
	c.env["CI"] = "true"
	c.mustFail(t, "deploy --env production", past)
	c.env["CI"] = ""
	if output, _ := c.run(t, "outputs --env production"); strings.Contains(output, "in the past") {
		t.Error(output)
	}
}
