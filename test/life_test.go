package test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
)

// testLife is the whole life of production on a local AWS, from the JSON as it was synthesized: bootstrap, plan,
// apply, a second plan that is empty, a release, a change, a lock that is held, a destroy that is refused, and one that
// leaves nothing behind. An administrator bootstraps; all else is done by the roles, as in the pipelines. The steps
// build on each other, so the first that fails ends the test.
func testLife(t *testing.T, called *calls) {
	aws := startAWS(t)
	defer called.add(t, aws)
	work := t.TempDir()
	bootstrapDir := filepath.Join(shipped.dir, "cdktf.out", "stacks", "bootstrap")
	options := optionsFor(t, aws)
	options.DataDir = filepath.Join(work, "bootstrap-data")

	must(t, "bootstrap, interrupted and run again", func() error {
		scratch := filepath.Join(work, "bootstrap")
		if err := interruptedBootstrap(t, bootstrapDir, scratch, options); err != nil {
			return err
		}
		done, err := terraform.Bootstrap(t.Context(), bootstrapDir, scratch, options, approved)
		if err == nil && !done {
			err = errors.New("it did nothing")
		}
		return err
	})
	must(t, "bootstrap again does nothing", func() error {
		done, err := terraform.Bootstrap(t.Context(), bootstrapDir, filepath.Join(work, "bootstrap"), options, approved)
		if err == nil && done {
			err = errors.New("it bootstrapped a second time")
		}
		return err
	})
	must(t, "the bootstrap stack's own state lies in the bucket, and it has nothing to change", func() error {
		return expectChanges(t, openStack(t, shipped, "bootstrap", aws), nil)
	})
	must(t, "a pull request finds nothing to change in it", func() error {
		return expectChanges(t, openAs(t, shipped, "bootstrap", planner(t, aws)), nil)
	})
	before := ask[[]string](t, aws, "/_local/resources")

	planned := openAs(t, shipped, "production", planner(t, aws))
	file := filepath.Join(work, "plan")
	must(t, "a pull request plans production", func() error {
		_, err := planned.Plan(t.Context(), file)
		return err
	})
	t.Run("the plan creates what was synthesized, type by type", func(t *testing.T) {
		equal(t, "resources to create", plannedByType(showPlan(t, planned, file)), synthesizedByType(shipped.stack(t, "production")))
	})
	t.Run("the report of a creation", func(t *testing.T) { checkReport(t, "create", report.Plan("production", showPlan(t, planned, file))) })
	must(t, "a pull request cannot apply it", func() error { return expectRefusal(planned.Apply(t.Context(), file)) })
	deploys := deployer(t, aws, "production")
	production := openAs(t, shipped, "production", deploys)
	must(t, "main plans and applies production", func() error {
		if _, err := production.Plan(t.Context(), file); err != nil {
			return err
		}
		return production.Apply(t.Context(), file)
	})
	must(t, "the second plan is empty", func() error { return expectPlan(t, planned, file, nil) })
	t.Run("the report of no change", func(t *testing.T) { checkReport(t, "none", report.Plan("production", showPlan(t, planned, file))) })

	t.Run("the boot script comes out of the plan clean", func(t *testing.T) { checkBootScript(t, production, file) })
	t.Run("every output has a value", func(t *testing.T) { checkOutputs(t, production) })
	t.Run("the application's pipeline releases", func(t *testing.T) {
		checkApplicationPipeline(t, aws, production, releaser(t, aws, "production"))
	})
	t.Run("the site answers", func(t *testing.T) { checkSite(t, aws, production) })
	t.Run("only the runs that are meant assume a role", func(t *testing.T) { checkTrust(t, aws) })
	t.Run("no role does more than it is for", func(t *testing.T) { checkRefusals(t, aws) })

	larger := resynthesized(t, "production", "instanceType: t3.micro", "instanceType: t3.small")
	changed := openAs(t, larger, "production", planner(t, aws))
	must(t, "another instance type changes the launch template and the group, and nothing else", func() error {
		return expectPlan(t, changed, file, map[string]string{
			"aws_launch_template.backend_launch_template": "update",
			"aws_autoscaling_group.backend":               "update",
		})
	})
	t.Run("the report of a change", func(t *testing.T) { checkReport(t, "change", report.Plan("production", showPlan(t, changed, file))) })

	t.Run("a second apply at the same time is refused by the lock", func(t *testing.T) {
		checkLock(t, deploys, production, file)
	})

	must(t, "destroy is refused while production is protected", func() error {
		_, err := production.PlanDestroy(t.Context(), file)
		var refused *terraform.Error
		if !errors.As(err, &refused) || !strings.Contains(refused.Advice, "is protected: to destroy it, set deletionProtection: false") {
			return fmt.Errorf("got %w", err)
		}
		checkReport(t, "failure", report.Failure("production", refused.Error(), refused.Output))
		return nil
	})

	open := openAs(t, resynthesized(t, "production", "deletionProtection: true", "deletionProtection: false"), "production", deploys)
	must(t, "switch the protection off: nothing has been destroyed, and nothing else changes", func() error {
		if err := expectPlan(t, open, file, map[string]string{
			"aws_lb.load_balancer":              "update",
			"aws_s3_bucket.frontend":            "update",
			"aws_ecr_repository.backend_images": "update",
		}); err != nil {
			return err
		}
		return open.Apply(t.Context(), file)
	})
	older := openAs(t, resynthesized(t, "production", "deletionProtection: true", "deletionProtection: false", "nodeType: cache.t3.micro", "nodeType: cache.t3.micro\n  engineVersion: \"7.0\""), "production", planner(t, aws))
	must(t, "an older Redis would be another Redis", func() error {
		_, err := older.Plan(t.Context(), file)
		return err
	})
	t.Run("the report of a replacement", func(t *testing.T) { checkReport(t, "replace", report.Plan("production", showPlan(t, older, file))) })

	must(t, "destroy production", func() error {
		if _, err := open.PlanDestroy(t.Context(), file); err != nil {
			return err
		}
		checkReport(t, "destroy", report.Plan("production", showPlan(t, open, file)))
		return open.Apply(t.Context(), file)
	})
	if diff := cmp.Diff(before, ask[[]string](t, aws, "/_local/resources")); diff != "" {
		t.Errorf("the account is not as it was before production (-before +after):\n%s", diff)
	}
	called.end()
}

// must ends the test where a step fails.
func must(t *testing.T, step string, do func() error) {
	t.Helper()
	begin := time.Now()
	if err := do(); err != nil {
		var failed *terraform.Error
		if errors.As(err, &failed) {
			t.Fatalf("%s: %v\n%s", step, err, failed.Output)
		}
		t.Fatalf("%s: %v", step, err)
	}
	t.Logf("%5.1f s  %s", time.Since(begin).Seconds(), step)
}

// startAWS starts a local AWS of the shipped environments' account, for this test alone.
func startAWS(t *testing.T) *local.AWS {
	t.Helper()
	aws, err := local.Start(t.Context(), local.Options{Root: root, Dir: t.TempDir(), Account: "123456789012", Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := aws.Stop(); err != nil {
			t.Error(err)
		}
	})
	return aws
}

// approved approves every plan.
func approved(*terraform.Stack, string) error { return nil }

func optionsFor(t *testing.T, aws *local.AWS) terraform.Options {
	t.Helper()
	binary, err := terraform.Find(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return terraform.Options{Binary: binary, Env: aws.Env()}
}

// openStack connects a stack, in its own folder, to its state on the local AWS.
func openStack(t *testing.T, out output, name string, aws *local.AWS) *terraform.Stack {
	t.Helper()
	return openAs(t, out, name, aws.Env())
}

// openAs connects it with an environment from as.
func openAs(t *testing.T, out output, name string, env map[string]string) *terraform.Stack {
	t.Helper()
	binary, err := terraform.Find(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	stack, err := terraform.Open(filepath.Join(out.dir, "cdktf.out", "stacks", name), terraform.Options{Binary: binary, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return stack
}

// expectRefusal is the error of a call that AWS refuses to the role, and wants none other.
func expectRefusal(err error) error {
	var refused *terraform.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Advice, "may not ") {
		return fmt.Errorf("got %w", err)
	}
	return nil
}

// interruptedBootstrap is a bootstrap that is interrupted as soon as it has made something.
func interruptedBootstrap(t *testing.T, dir, scratch string, options terraform.Options) error {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		for ctx.Err() == nil {
			state, _ := os.ReadFile(filepath.Join(scratch, "terraform.tfstate"))
			if strings.Contains(string(state), `"type": "aws_s3_bucket"`) {
				interrupt()
			}
			<-time.After(50 * time.Millisecond)
		}
	}()
	if _, err := terraform.Bootstrap(ctx, dir, scratch, options, approved); err == nil {
		return errors.New("it was over before it could be interrupted")
	}
	if ctx.Err() == nil {
		return errors.New("it failed before it was interrupted")
	}
	return nil
}

// showPlan reads a plan file.
func showPlan(t *testing.T, stack *terraform.Stack, file string) *tfjson.Plan {
	t.Helper()
	plan, err := stack.ShowPlan(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// expectChanges plans, and compares what would change with what should: the action by address.
func expectChanges(t *testing.T, stack *terraform.Stack, want map[string]string) error {
	t.Helper()
	return expectPlan(t, stack, filepath.Join(t.TempDir(), "plan"), want)
}

// expectPlan is expectChanges, and leaves the plan in a file.
func expectPlan(t *testing.T, stack *terraform.Stack, file string, want map[string]string) error {
	t.Helper()
	if _, err := stack.Plan(t.Context(), file); err != nil {
		return err
	}
	got := map[string]string{}
	for _, resource := range showPlan(t, stack, file).ResourceChanges {
		if !resource.Change.Actions.NoOp() && !resource.Change.Actions.Read() {
			got[resource.Address] = fmt.Sprint(resource.Change.Actions[0])
		}
	}
	if len(got)+len(want) > 0 && !cmp.Equal(want, got) {
		return fmt.Errorf("changes (-want +got):\n%s", cmp.Diff(want, got))
	}
	return nil
}

// plannedByType counts what a plan creates.
func plannedByType(plan *tfjson.Plan) map[string]int {
	counts := map[string]int{}
	for _, resource := range plan.ResourceChanges {
		if resource.Change.Actions.Create() {
			counts[resource.Type]++
		}
	}
	return counts
}

// synthesizedByType counts the resources of a stack.
func synthesizedByType(s stack) map[string]int {
	counts := map[string]int{}
	for address := range s.resources() {
		if !strings.HasPrefix(address, "data.") {
			kind, _, _ := strings.Cut(address, ".")
			counts[kind]++
		}
	}
	return counts
}

// random is what AWS chooses for a resource: an id, the end of an ARN or a name, an address.
var random = regexp.MustCompile(`\b(eni|eipalloc|igw|lt|nat|rtb|sg|sgr|subnet|vpc|vpce|fl)-[0-9a-f]{8,17}\b|\bE[0-9A-Z]{13}\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[a-z0-9]{16}\b|\bd[a-z0-9]{12,13}\b|\b[a-z0-9]{8}\.eu-west-1\.elb|\b52(\.\d+){3}\b`)

// line is where something stands in a stack's file.
var line = regexp.MustCompile(`\bline \d+\b|(?m)^ *\d+: `)

// checkReport compares what a person reads of a plan with a golden file.
func checkReport(t *testing.T, name, markdown string) {
	t.Helper()
	golden(t, "../reports/"+name+".md", line.ReplaceAllString(random.ReplaceAllString(markdown, "(id)"), "(line)"))
}

// resynthesized is the shipped environments with some texts of one file replaced: old, new, old, new.
func resynthesized(t *testing.T, environment string, replaced ...string) output {
	t.Helper()
	dir := t.TempDir()
	if err := writeEnvironments(dir, "../environments"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "environments", environment+".yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(content)
	for pair := range slices.Chunk(replaced, 2) {
		if !strings.Contains(changed, pair[0]) {
			t.Fatalf("%s has no %q", file, pair[0])
		}
		changed = strings.Replace(changed, pair[0], pair[1], 1)
	}
	if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := synthesize(dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkBootScript runs shellcheck on the user data of a plan in which every reference is filled in.
func checkBootScript(t *testing.T, stack *terraform.Stack, file string) {
	if _, err := stack.Plan(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	var encoded string
	for _, resource := range showPlan(t, stack, file).PlannedValues.RootModule.Resources {
		if resource.Address == "aws_launch_template.backend_launch_template" {
			encoded, _ = resource.AttributeValues["user_data"].(string)
		}
	}
	script, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(script) == 0 {
		t.Fatalf("user data %q: %v", encoded, err)
	}
	for _, setting := range []string{
		"REPOSITORY_URL='123456789012.dkr.ecr.eu-west-1.amazonaws.com/starttech-production-backend'\n",
		"RELEASE_PARAMETER='/starttech/production/release'\n",
		"LOG_GROUP='/starttech/production/backend'\n",
	} {
		if !strings.Contains(string(script), setting) {
			t.Errorf("the script does not set %s", setting)
		}
	}
	command := exec.Command("shellcheck", "--shell=bash", "-")
	command.Stdin = strings.NewReader(string(script))
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

func checkOutputs(t *testing.T, stack *terraform.Stack) {
	values, err := stack.Outputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(values) == 0 {
		t.Error("there are no outputs")
	}
	for name, value := range values {
		if text := fmt.Sprint(value); text == "" || text == "[]" || text == "<nil>" {
			t.Errorf("%s is empty", name)
		}
	}
}

// checkLock lets one apply wait for its approval, with the lock in hand, and starts a second one.
func checkLock(t *testing.T, env map[string]string, stack *terraform.Stack, file string) {
	binary, err := terraform.Find(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	first := exec.CommandContext(t.Context(), binary, "apply", "-no-color", "-replace=aws_cloudwatch_dashboard.dashboard")
	first.Dir = filepath.Join(shipped.dir, "cdktf.out", "stacks", "production")
	first.Env = os.Environ()
	for name, value := range env {
		first.Env = append(first.Env, name+"="+value)
	}
	answer, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	waits := false
	for lines := bufio.NewScanner(said); !waits && lines.Scan(); {
		waits = strings.Contains(lines.Text(), "Only 'yes' will be accepted")
	}
	if !waits {
		t.Fatal("the first apply did not ask for approval")
	}

	err = stack.Apply(t.Context(), file)
	var refused *terraform.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Advice, "the state is locked: ") ||
		!strings.Contains(refused.Advice, "OperationTypeApply") || !strings.Contains(refused.Advice, "terraform force-unlock ") {
		t.Errorf("the second apply: %v", err)
	}

	if _, err := answer.Write([]byte("no\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, said); err != nil {
		t.Error(err)
	}
	if err := first.Wait(); err == nil {
		t.Error("the first apply was not cancelled")
	}
}

// ask puts a question to the local AWS that AWS has no call for.
func ask[T any](t *testing.T, aws *local.AWS, question string) T {
	t.Helper()
	response, err := http.Get(aws.Endpoint() + question)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer T
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}
