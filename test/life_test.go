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
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/terraform"
)

// TestLife is the whole life of production on a local AWS, from the JSON as it was synthesized: bootstrap, plan,
// apply, a second plan that is empty, a change, a lock that is held, a destroy that is refused, and one that leaves
// nothing behind. The steps build on each other, so the first that fails ends the test.
func TestLife(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the applies")
	}
	t.Parallel()
	aws := startAWS(t)
	work := t.TempDir()
	bootstrapDir := filepath.Join(shipped.dir, "cdktf.out", "stacks", "bootstrap")
	options := optionsFor(t, aws)
	options.DataDir = filepath.Join(work, "bootstrap-data")

	must(t, "bootstrap, interrupted and run again", func() error {
		scratch := filepath.Join(work, "bootstrap")
		if err := interruptedBootstrap(t, bootstrapDir, scratch, options); err != nil {
			return err
		}
		done, err := terraform.Bootstrap(t.Context(), bootstrapDir, scratch, options, nil)
		if err == nil && !done {
			err = errors.New("it did nothing")
		}
		return err
	})
	must(t, "bootstrap again does nothing", func() error {
		done, err := terraform.Bootstrap(t.Context(), bootstrapDir, filepath.Join(work, "bootstrap"), options, nil)
		if err == nil && done {
			err = errors.New("it bootstrapped a second time")
		}
		return err
	})
	must(t, "the bootstrap stack's own state lies in the bucket, and it has nothing to change", func() error {
		return expectChanges(t, openStack(t, shipped, "bootstrap", aws), nil)
	})
	before := ask[[]string](t, aws, "/_local/resources")

	production := openStack(t, shipped, "production", aws)
	file := filepath.Join(work, "plan")
	must(t, "plan production", func() error {
		_, err := production.Plan(t.Context(), file)
		return err
	})
	t.Run("the plan creates what was synthesized, type by type", func(t *testing.T) {
		equal(t, "resources to create", plannedByType(showPlan(t, production, file)), synthesizedByType(shipped.stack(t, "production")))
	})
	must(t, "apply production", func() error { return production.Apply(t.Context(), file) })
	must(t, "the second plan is empty", func() error { return expectChanges(t, production, nil) })

	t.Run("the boot script comes out of the plan clean", func(t *testing.T) { checkBootScript(t, production, file) })
	t.Run("every output has a value", func(t *testing.T) { checkOutputs(t, production) })
	t.Run("the site answers", func(t *testing.T) { checkSite(t, aws, production) })

	larger := resynthesized(t, "production", "instanceType: t3.micro", "instanceType: t3.small")
	must(t, "another instance type changes the launch template and the group, and nothing else", func() error {
		return expectChanges(t, openStack(t, larger, "production", aws), map[string]string{
			"aws_launch_template.backend_instance": "update",
			"aws_autoscaling_group.backend":        "update",
		})
	})

	t.Run("a second apply at the same time is refused by the lock", func(t *testing.T) {
		checkLock(t, aws, production, file)
	})

	must(t, "destroy is refused while production is protected", func() error {
		err := production.PlanDestroy(t.Context(), file)
		var refused *terraform.Error
		if !errors.As(err, &refused) || !strings.Contains(refused.Advice, "is protected: to destroy it, set deletionProtection: false") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})

	open := openStack(t, resynthesized(t, "production", "deletionProtection: true", "deletionProtection: false"), "production", aws)
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
	must(t, "destroy production", func() error {
		if err := open.PlanDestroy(t.Context(), file); err != nil {
			return err
		}
		return open.Apply(t.Context(), file)
	})
	if diff := cmp.Diff(before, ask[[]string](t, aws, "/_local/resources")); diff != "" {
		t.Errorf("the account is not as it was before production (-before +after):\n%s", diff)
	}

	calls := ask[map[string]int](t, aws, "/_local/calls")
	if calls["iam:CreateRole"] == 0 {
		t.Error("the calls are not counted: a role was created")
	}
	for _, call := range []string{"iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile"} {
		if calls[call] > 0 {
			t.Errorf("Terraform called %s: long-term credentials", call)
		}
	}
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
	stack, err := terraform.Open(filepath.Join(out.dir, "cdktf.out", "stacks", name), optionsFor(t, aws))
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return stack
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
	if _, err := terraform.Bootstrap(ctx, dir, scratch, options, nil); err == nil {
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

// resynthesized is the shipped environments with one line of one file changed.
func resynthesized(t *testing.T, environment, line, by string) output {
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
	changed := strings.Replace(string(content), line, by, 1)
	if changed == string(content) {
		t.Fatalf("%s has no line %q", file, line)
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
		if resource.Address == "aws_launch_template.backend_instance" {
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
func checkLock(t *testing.T, aws *local.AWS, stack *terraform.Stack, file string) {
	options := optionsFor(t, aws)
	first := exec.CommandContext(t.Context(), options.Binary, "apply", "-no-color", "-replace=aws_cloudwatch_dashboard.dashboard")
	first.Dir = filepath.Join(shipped.dir, "cdktf.out", "stacks", "production")
	first.Env = os.Environ()
	for name, value := range aws.Env() {
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
