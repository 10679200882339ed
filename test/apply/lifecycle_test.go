package apply

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// testLifecycle bootstraps an account and takes production through its lifecycle, up to a destroy that leaves nothing behind.
// The administrator bootstraps, and the roles of the workflows do everything else. A step needs the results of those before
// it, so a step that fails ends the test.
func testLifecycle(t *testing.T, recorded *calls) {
	aws := startAWS(t)
	defer recorded.add(t, aws)
	reference := harness.Reference(t)
	bootstrap(t, aws, reference)
	zone := createHostedZone(t, aws, "example.com")
	before := introspect[[]string](t, aws, "/_local/resources")

	pullRequest := open(t, reference, "production", planner(t, aws))
	pullRequest.plan(t, "a pull request plans production")
	created := pullRequest.show(t)
	checkCreates(t, created, reference.Stack(t, "production"))
	checkReport(t, "create", report.Plan("production", created))
	runStep(t, "a pull request cannot apply the plan", func() error {
		err := pullRequest.Apply(t.Context(), pullRequest.file)
		var denied *terraform.Error
		if !errors.As(err, &denied) || !strings.Contains(denied.Advice, "may not ") {
			return fmt.Errorf("it is not denied: %v", err)
		}
		return nil
	})
	main := open(t, reference, "production", deployer(t, aws, "production"))
	main.plan(t, "main plans production")
	main.apply(t, "main applies production")
	unchanged := pullRequest.expectPlan(t, "the second plan is empty", nil)
	checkReport(t, "none", report.Plan("production", unchanged))
	checkBootScript(t, unchanged)
	outputs := readOutputs(t, main)

	// Only the first of these uses Terraform's states.
	t.Run("at the same time", func(t *testing.T) {
		for name, test := range map[string]func(t *testing.T){
			"plans": func(t *testing.T) {
				for _, env := range []map[string]string{aws.Env(), planner(t, aws)} {
					open(t, reference, "bootstrap", env).expectPlan(t, "the bootstrap stack has nothing to change", nil)
				}
				testInstanceType(t, aws)
				testChanges(t, aws, zone)
				testTransitions(t, aws, append(transitions, lockTransition)...)
				testLock(t, main, reference.StackDir("production"), deployer(t, aws, "production"))
				refused := testProtection(t, main)
				checkReport(t, "failure", report.Failure("production", refused.Error(), refused.Output))
			},
			"releases": func(t *testing.T) {
				testRelease(t, aws, outputs)
				testSite(t, aws, outputs)
			},
			"roles": func(t *testing.T) {
				testTrust(t, aws)
				testDenials(t, aws)
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})

	unprotect := []string{"deletionProtection: true", "deletionProtection: false"}
	unprotected := open(t, synthesizeEdited(t, harness.ReferenceDir, "production", unprotect...), "production", deployer(t, aws, "production"))
	unprotected.expectPlan(t, "without protection, nothing else changes", map[string]string{
		"aws_lb.load_balancer":              "update",
		"aws_s3_bucket.frontend":            "update",
		"aws_ecr_repository.backend_images": "update",
	})
	unprotected.apply(t, "main removes the protection")
	olderRedis := append(unprotect, "nodeType: cache.t3.micro", "nodeType: cache.t3.micro\n  engineVersion: \"7.0\"")
	older := open(t, synthesizeEdited(t, harness.ReferenceDir, "production", olderRedis...), "production", planner(t, aws))
	older.plan(t, "a pull request plans an older Redis, which replaces it")
	checkReport(t, "replace", report.Plan("production", older.show(t)))
	runStep(t, "main plans to destroy production", func() error {
		_, err := unprotected.PlanDestroy(t.Context(), unprotected.file)
		return err
	})
	checkReport(t, "destroy", report.Plan("production", unprotected.show(t)))
	unprotected.apply(t, "main destroys production")
	harness.Equal(t, "resources after production's life", introspect[[]string](t, aws, "/_local/resources"), before)
	recorded.completed.Add(1)
}

// applyPlan applies a plan of a bootstrap stack, and returns why ctx was cancelled meanwhile.
func applyPlan(ctx context.Context) func(*terraform.Stack, string) error {
	return func(stack *terraform.Stack, plan string) error {
		return cmp.Or(stack.Apply(ctx, plan), context.Cause(ctx))
	}
}

// bootstrap bootstraps the account twice: the first one completes although it is interrupted, and the second one has nothing to do.
func bootstrap(t *testing.T, aws *local.AWS, out harness.Output) {
	t.Helper()
	dir, scratch := out.StackDir("bootstrap"), filepath.Join(t.TempDir(), "bootstrap")
	options := terraformOptions(t, aws.Env())
	options.DataDir = filepath.Join(t.TempDir(), "data")
	runStep(t, "bootstrap is interrupted", func() error { return interruptBootstrap(t, dir, scratch, options) })
	runStep(t, "bootstrap has nothing to do", func() error {
		done, err := terraform.Bootstrap(t.Context(), dir, scratch, options, applyPlan(t.Context()))
		if err == nil && done {
			err = errors.New("it was done again")
		}
		return err
	})
}

// interruptBootstrap interrupts a bootstrap as soon as the state has a bucket.
func interruptBootstrap(t *testing.T, dir, scratch string, options terraform.Options) error {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			state, _ := os.ReadFile(filepath.Join(scratch, "terraform.tfstate"))
			if strings.Contains(strings.ReplaceAll(string(state), " ", ""), `"type":"aws_s3_bucket"`) { // OpenTofu writes no spaces
				interrupt()
			}
		}
	}()
	done, err := terraform.Bootstrap(ctx, dir, scratch, options, applyPlan(ctx))
	if !done || !errors.Is(err, context.Canceled) {
		return fmt.Errorf("done: %t, want true; error: %w, want %w", done, err, context.Canceled)
	}
	return nil
}

// checkCreates requires that a plan creates every resource of a stack and nothing else.
func checkCreates(t *testing.T, plan *tfjson.Plan, s harness.Stack) {
	t.Helper()
	var created []string
	for _, resource := range plan.ResourceChanges {
		if resource.Change.Actions.Create() {
			created = append(created, resource.Address)
		}
	}
	isData := func(address string) bool { return strings.HasPrefix(address, "data.") }
	harness.EqualSets(t, "resources to create", created, slices.DeleteFunc(s.Addresses(), isData))
}

// readOutputs reads the outputs of a stack as texts, and requires that each has a value.
func readOutputs(t *testing.T, stack session) map[string]string {
	t.Helper()
	values, err := stack.Outputs(t.Context())
	if harness.Must(t, len(values), err) == 0 {
		t.Error("there are no outputs")
	}
	outputs := map[string]string{}
	for name, value := range values {
		outputs[name] = fmt.Sprint(value)
		if slices.Contains([]string{"", "[]", "<nil>"}, outputs[name]) {
			t.Errorf("the output %s is empty", name)
		}
	}
	return outputs
}

// checkBootScript runs shellcheck on the user data of a plan in which all references are known.
func checkBootScript(t *testing.T, plan *tfjson.Plan) {
	t.Helper()
	var encoded string
	for _, resource := range plan.PlannedValues.RootModule.Resources {
		if resource.Address == "aws_launch_template.backend_launch_template" {
			encoded, _ = resource.AttributeValues["user_data"].(string)
		}
	}
	script, err := base64.StdEncoding.DecodeString(encoded)
	harness.Must(t, script, err)
	harness.Has(t, "boot script", string(script),
		"REPOSITORY_URL='123456789012.dkr.ecr.eu-west-1.amazonaws.com/starttech-production-backend'\n",
		"RELEASE_PARAMETER='/starttech/production/release'\n",
		"LOG_GROUP='/starttech/production/backend'\n")
	command := exec.Command("shellcheck", "--shell=bash", "-")
	command.Stdin = strings.NewReader(string(script))
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

// testInstanceType plans another instance type.
func testInstanceType(t *testing.T, aws *local.AWS) {
	larger := synthesizeEdited(t, harness.ReferenceDir, "production", "instanceType: t3.micro", "instanceType: t3.small")
	plan := open(t, larger, "production", planner(t, aws)).expectPlan(t, "another instance type changes only launch template and group", map[string]string{
		"aws_launch_template.backend_launch_template": "update",
		"aws_autoscaling_group.backend":               "update",
	})
	checkReport(t, "change", report.Plan("production", plan))
}

// testLock starts an apply while another one holds the lock and waits for its approval.
func testLock(t *testing.T, stack session, dir string, env map[string]string) {
	first := exec.CommandContext(t.Context(), terraformOptions(t, nil).Binary, "apply", "-no-color", "-replace=aws_cloudwatch_dashboard.dashboard")
	first.Dir, first.Env = dir, environ(env)
	input, err := first.StdinPipe()
	harness.Must(t, input, err)
	output, err := first.StdoutPipe()
	harness.Must(t, output, err)
	harness.Must(t, 0, first.Start())
	waits := false
	for lines := bufio.NewScanner(output); !waits && lines.Scan(); {
		waits = strings.Contains(lines.Text(), "Only 'yes' will be accepted")
	}
	if !waits {
		t.Fatal("the first apply did not ask for approval")
	}

	err = stack.Apply(t.Context(), stack.file)
	var locked *terraform.Error
	if !errors.As(err, &locked) {
		t.Errorf("the second apply is not refused: %v", err)
	} else {
		harness.Has(t, "advice for the second apply", locked.Advice, "the state is locked: ", "OperationTypeApply", "; if that process is dead: make unlock ENV=")
	}

	_, err = input.Write([]byte("no\n"))
	harness.Must(t, 0, err)
	if _, err := io.Copy(io.Discard, output); err != nil {
		t.Error(err)
	}
	if err := first.Wait(); err == nil {
		t.Error("the first apply was not cancelled")
	}
}

// testProtection plans to destroy protected resources, and returns the error.
func testProtection(t *testing.T, stack session) *terraform.Error {
	_, err := stack.PlanDestroy(t.Context(), stack.file)
	var refused *terraform.Error
	if !errors.As(err, &refused) {
		t.Fatalf("the destroy is not refused: %v", err)
	}
	harness.Has(t, "advice for the destroy", refused.Advice, "is protected: to destroy it, set deletionProtection: false")
	return refused
}
