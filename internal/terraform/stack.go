// Package terraform runs Terraform on synthesized stacks, and explains its errors in one line.
package terraform

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/secrets"
	"github.com/starttech/infrastructure/internal/statelock"
)

// Parallelism is how many resources Terraform creates, changes or reads at a time. Most of an apply is waiting.
const Parallelism = 30

// LockFile contains the checksums of the providers. The file in the checkout is committed. Terraform reads the one in its
// working directory.
const LockFile = ".terraform.lock.hcl"

// waitDelay is how long an interrupted Terraform may finish what it has begun, if it neither plans nor applies. If it is killed, the state
// can stay locked.
const waitDelay = time.Minute

// Stack is a synthesized stack that Terraform can run on.
type Stack struct {
	Name string

	terraform *tfexec.Terraform // for commands whose output a person reads
	reader    *tfexec.Terraform // for commands whose output is JSON and may contain the state; it is not printed
	dir       string
	options   Options
	progress  func(Progress)
	process   atomic.Int64
	known     *secrets.Set // of the last plan that ShowPlan has read; masked in what an apply prints
}

// Options is how Terraform runs.
type Options struct {
	Binary  string            // path of Terraform, from Find
	DataDir string            // where Terraform stores provider and backend settings; empty: .terraform in the stack's directory
	Env     map[string]string // set over the process's own environment; an empty value removes a variable

	Output io.Writer // Terraform's output, in the form that people read; nil: discarded

	Claim *os.File // stays open in each Terraform that plans or applies, also if this process is killed; nil: none

	LockTimeout time.Duration // how long a plan or an apply waits for a locked state; 0: it fails at once
	Bootstrap   string        // name of the account's bootstrap stack, for advice; empty: config.BootstrapStack
}

// Open prepares to run Terraform in the directory of a synthesized stack.
func Open(dir string, options Options) (*Stack, error) {
	if _, err := os.Stat(filepath.Join(dir, "cdk.tf.json")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such stack; the stacks are %s", dir, strings.Join(siblingStacks(dir), ", "))
	}
	if options.Output == nil {
		options.Output = io.Discard
	}
	if options.Bootstrap == "" {
		options.Bootstrap = config.BootstrapStack
	}
	terraform, err := newTerraform(dir, options)
	if err != nil {
		return nil, err
	}
	reader, err := newTerraform(dir, options)
	if err != nil {
		return nil, err
	}
	return &Stack{Name: filepath.Base(dir), terraform: terraform, reader: reader, dir: dir, options: options}, nil
}

// OnProgress sets the function that the following applies call with their progress.
func (s *Stack) OnProgress(progress func(Progress)) { s.progress = progress }

// newTerraform prints nothing.
func newTerraform(dir string, options Options) (*tfexec.Terraform, error) {
	terraform, err := tfexec.NewTerraform(dir, options.Binary)
	if err != nil {
		return nil, err
	}
	if err := terraform.SetWaitDelay(waitDelay); err != nil {
		return nil, err
	}
	return terraform, terraform.SetEnv(environment(options))
}

// siblingStacks is the names of the stacks next to a directory.
func siblingStacks(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "cdk.tf.json"))
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = filepath.Base(filepath.Dir(file))
	}
	return names
}

// environment is the process's environment, overridden by the options, without the variables that terraform-exec sets.
func environment(options Options) map[string]string {
	env := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	for name, value := range options.Env {
		env[name] = value
		if value == "" {
			delete(env, name)
		}
	}
	if options.DataDir != "" {
		env["TF_DATA_DIR"] = options.DataDir
	}
	for _, name := range tfexec.ProhibitedEnv(env) {
		delete(env, name)
	}
	return env
}

// Init connects the stack to its state. It overrides the settings of an earlier run.
func (s *Stack) Init(ctx context.Context) error {
	// terraform-exec asks for the version before the first command, and would print the answer.
	if _, _, err := s.terraform.Version(ctx, false); err != nil {
		return s.explain("init", err)
	}
	s.terraform.SetStdout(s.options.Output)
	s.terraform.SetStderr(s.options.Output)
	return s.explain("init", s.terraform.Init(ctx, tfexec.Reconfigure(true)))
}

// PlanOptions is what NewPlan plans. The zero value plans a deploy, and writes nothing to AWS.
type PlanOptions struct {
	Lock    bool // lock the state meanwhile. If another run holds the lock, it waits for Options.LockTimeout
	Untaint bool // call UntaintProtected first, which writes to the state
	Destroy bool // plan to destroy everything in the stack
}

// NewPlan calls Init, writes a plan file, and reads it. If there is nothing to change, changes is false and plan is empty.
func (s *Stack) NewPlan(ctx context.Context, file string, options PlanOptions) (plan *tfjson.Plan, changes bool, err error) {
	if err := s.Init(ctx); err != nil {
		return nil, false, err
	}
	if options.Untaint {
		if err := s.UntaintProtected(ctx); err != nil {
			return nil, false, err
		}
	}
	if changes, err = s.plan(ctx, file, options); err != nil || !changes {
		return &tfjson.Plan{}, false, err
	}
	if plan, err = s.ShowPlan(ctx, file); err != nil {
		return &tfjson.Plan{}, false, err
	}
	if err := cmp.Or(s.checkRemovals(plan), s.checkTransitions(plan)); err != nil {
		return &tfjson.Plan{}, false, errors.Join(err, os.Remove(file))
	}
	return plan, true, nil
}

// checkRemovals refuses a plan that destroys a resource of a protected type. Terraform itself does not refuse it if the configuration no
// longer has the resource (https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle#prevent_destroy).
func (s *Stack) checkRemovals(plan *tfjson.Plan) error {
	protected, err := s.protected()
	if err != nil {
		return err
	}
	types := map[string]bool{}
	for address := range protected {
		kind, _, _ := strings.Cut(address, ".")
		types[kind] = true
	}
	var removed []string
	for _, resource := range plan.ResourceChanges {
		if resource.Mode == tfjson.ManagedResourceMode && resource.Change.Actions.Delete() && types[resource.Type] {
			removed = append(removed, resource.Address)
		}
	}
	if len(removed) == 0 {
		return nil
	}
	return &Error{Doing: "plan " + s.Name, Advice: fmt.Sprintf(protectedAdvice, strings.Join(removed, ", "))}
}

// Plan writes a plan file and reports whether the plan changes anything. It does not lock the state.
func (s *Stack) Plan(ctx context.Context, file string) (changes bool, err error) {
	return s.plan(ctx, file, PlanOptions{})
}

// PlanDestroy writes a plan file that destroys everything in the stack, and reports whether there is anything.
func (s *Stack) PlanDestroy(ctx context.Context, file string) (changes bool, err error) {
	return s.plan(ctx, file, PlanOptions{Lock: true, Destroy: true})
}

// plan can be interrupted: Terraform then unlocks the state, and writes no plan file. But it writes the state, if there is none yet. A plan
// that does not lock the state must not write it, so that is killed.
func (s *Stack) plan(ctx context.Context, file string, options PlanOptions) (changes bool, err error) {
	doing, e := "plan", events{log: s.options.Output}
	if options.Destroy {
		doing = "destroy"
	}
	arguments := append([]string{
		"plan", "-json", "-detailed-exitcode", "-out=" + file,
		fmt.Sprintf("-destroy=%t", options.Destroy), fmt.Sprintf("-lock=%t", options.Lock),
	}, s.applyOptions()...)
	stop := syscall.SIGINT
	if !options.Lock {
		stop = syscall.SIGKILL
	}
	err = s.runTerraform(ctx, &e, stop, arguments...)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 { // https://developer.hashicorp.com/terraform/cli/commands/plan#detailed-exitcode
		changes, err = true, nil
	}
	if len(e.diagnostics) > 0 {
		s.known = s.secretsInState(ctx)
	}
	return changes, s.explain(doing, e.end(err, s.known))
}

// secretsInState returns the secrets in the state; none if it cannot be read. Terraform hides sensitive values in its own errors and
// warnings, but not in those that it gets from a provider or AWS.
func (s *Stack) secretsInState(ctx context.Context) *secrets.Set {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	state, err := s.reader.Show(ctx)
	if err != nil {
		return nil
	}
	return secrets.InState(state)
}

// Apply applies a plan file. It does not end if ctx is cancelled. On an interrupt, Terraform cancels the requests of the provider, so AWS
// can create a resource that is not in the state (https://github.com/hashicorp/terraform/issues/33358,
// https://github.com/hashicorp/terraform-provider-aws/issues/18051).
func (s *Stack) Apply(ctx context.Context, file string) error {
	e := events{log: s.options.Output, progress: s.progress, known: s.known}
	err := s.runTerraform(ctx, &e, 0, append(append([]string{"apply", "-json"}, s.applyOptions()...), file)...)
	return s.explain("apply", e.end(err, s.known))
}

// applyOptions is the options that a plan and an apply have in common.
func (s *Stack) applyOptions() []string {
	return []string{"-input=false", "-no-color", "-parallelism=" + strconv.Itoa(Parallelism), "-lock-timeout=" + s.options.LockTimeout.String()}
}

// UntaintProtected marks as healthy the protected resources whose creation was interrupted. Terraform would replace them,
// which their protection refuses. The next plan completes what is missing.
func (s *Stack) UntaintProtected(ctx context.Context) error {
	state, err := s.reader.Show(ctx)
	if err != nil || state.Values == nil {
		return s.explain("show the state of", err)
	}
	protected, err := s.protected()
	if err != nil {
		return err
	}
	for _, resource := range state.Values.RootModule.Resources {
		if resource.Tainted && protected[resource.Address] {
			e := events{log: s.options.Output}
			err := s.runTerraform(ctx, &e, 0, "untaint", "-no-color", "-lock-timeout="+s.options.LockTimeout.String(), resource.Address)
			if err := e.end(err, nil); err != nil {
				return s.explain("untaint "+resource.Address+" in", err)
			}
		}
	}
	return nil
}

// protected is the addresses of the resources that Terraform refuses to destroy.
func (s *Stack) protected() (map[string]bool, error) {
	var body struct {
		Resource map[string]map[string]struct {
			Lifecycle struct {
				PreventDestroy bool `json:"prevent_destroy"`
			} `json:"lifecycle"`
		} `json:"resource"`
	}
	if err := readStack(s.dir, s.Name, &body); err != nil {
		return nil, err
	}
	protected := map[string]bool{}
	for kind, resources := range body.Resource {
		for id, resource := range resources {
			if resource.Lifecycle.PreventDestroy {
				protected[kind+"."+id] = true
			}
		}
	}
	return protected, nil
}

// ShowPlan reads a plan file. Numbers are json.Number, because a float64 does not have all digits of a large one.
func (s *Stack) ShowPlan(ctx context.Context, file string) (*tfjson.Plan, error) {
	plan, err := s.reader.ShowPlanFile(ctx, file, tfexec.JSONNumber(true))
	if err == nil {
		s.known = secrets.InPlan(plan)
	}
	return plan, s.explain("show the plan of", err)
}

// StateOutputs is the stack's outputs in its state, by name: the value of each, and whether it is sensitive. Numbers are json.Number.
func (s *Stack) StateOutputs(ctx context.Context) (map[string]*tfjson.StateOutput, error) {
	// Not terraform show, which starts the provider to decode the rest of the state.
	found, err := s.reader.Output(ctx)
	if err != nil {
		return nil, s.explain("outputs of", err)
	}
	outputs := map[string]*tfjson.StateOutput{}
	for name, output := range found {
		decoder := json.NewDecoder(bytes.NewReader(output.Value))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("output %s of %s: %w", name, s.Name, err)
		}
		outputs[name] = &tfjson.StateOutput{Sensitive: output.Sensitive, Value: value}
	}
	return outputs, nil
}

// Outputs is the values of the stack's outputs, by name: strings, or lists of strings.
func (s *Stack) Outputs(ctx context.Context) (map[string]any, error) {
	outputs, err := s.StateOutputs(ctx)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for name, output := range outputs {
		values[name] = output.Value
	}
	return values, nil
}

// LockProviders writes the checksums of the stack's providers for the given platforms into LockFile in the stack's directory.
func (s *Stack) LockProviders(ctx context.Context, platforms []string) error {
	var options []tfexec.ProvidersLockOption
	for _, platform := range platforms {
		options = append(options, tfexec.Platform(platform))
	}
	return s.explain("lock the providers of", s.reader.ProvidersLock(ctx, options...))
}

// Backend returns the settings of the S3 backend of the stack in dir.
func Backend(dir string) (statelock.Backend, error) {
	var body struct {
		Terraform struct {
			Backend struct {
				S3 statelock.Backend `json:"s3"`
			} `json:"backend"`
		} `json:"terraform"`
	}
	err := readStack(dir, "in "+dir, &body)
	return body.Terraform.Backend.S3, err
}

// readStack decodes the JSON of the stack in dir. An error names the stack.
func readStack(dir, name string, into any) error {
	content, err := os.ReadFile(filepath.Join(dir, "cdk.tf.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read the stack %s: %w", name, err)
	}
	return nil
}

// explain finds the advice for a failed command of Terraform on this stack, and masks the known secrets; nil stays nil.
func (s *Stack) explain(doing string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		err = context.Canceled // that of terraform-exec v0.26.0 has no text if Terraform has only just started, and Error panics
	case err != nil:
		if text := s.known.Mask(err.Error()); text != err.Error() {
			err = errors.New(text)
		}
	}
	return explain(doing+" "+s.Name, err, values{s.Name, s.options.Bootstrap, s.options.Binary, s.dir})
}
