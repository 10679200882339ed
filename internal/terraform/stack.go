package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"
)

// Parallelism is how many resources Terraform works on at a time. Most of an apply is waiting.
const Parallelism = 30

// LockFile is Terraform's record of the provider's checksums. The one in the checkout is committed; Terraform reads it
// in the folder that it runs in.
const LockFile = ".terraform.lock.hcl"

// waitDelay is how long an interrupted Terraform may finish what it has begun; killed, it would leave the state locked
// and things that it no longer knows of. A CloudFront distribution and Redis take minutes.
const waitDelay = 20 * time.Minute

// Stack is a synthesized stack that Terraform can run on.
type Stack struct {
	Name string

	terraform   *tfexec.Terraform // for commands whose output a person reads
	reader      *tfexec.Terraform // for commands whose output is JSON, with the whole state in it; it is never printed
	dir         string
	lockTimeout string
}

// Options says how Terraform runs.
type Options struct {
	Binary  string            // path of Terraform, from Find
	DataDir string            // where Terraform keeps provider and backend settings; empty: .terraform in the stack's folder
	Env     map[string]string // over the process's own environment; an empty value removes a variable
	Output  io.Writer         // what a person sees; nil: nothing

	LockTimeout time.Duration // how long a plan or an apply waits for another's lock; 0: not at all
}

// Open prepares to run Terraform in the folder of a synthesized stack.
func Open(dir string, options Options) (*Stack, error) {
	if _, err := os.Stat(filepath.Join(dir, "cdk.tf.json")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such stack; run make synth, and name one of the folders there: %s", dir, strings.Join(neighbours(dir), ", "))
	}
	terraform, err := newTerraform(dir, options)
	if err != nil {
		return nil, err
	}
	reader, err := newTerraform(dir, options)
	if err != nil {
		return nil, err
	}
	if options.Output != nil {
		// terraform-exec asks for the version before the first command, and would print the answer.
		if _, _, err := terraform.Version(context.Background(), false); err != nil {
			return nil, err
		}
		terraform.SetStdout(options.Output)
		terraform.SetStderr(options.Output)
	}
	return &Stack{Name: filepath.Base(dir), terraform: terraform, reader: reader, dir: dir, lockTimeout: options.LockTimeout.String()}, nil
}

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

// neighbours is the stacks beside a folder.
func neighbours(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "cdk.tf.json"))
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = filepath.Base(filepath.Dir(file))
	}
	return names
}

// environment is the process's own, with the options' on top, without what terraform-exec sets itself.
func environment(options Options) map[string]string {
	env := map[string]string{"CHECKPOINT_DISABLE": "1"} // no call home, no waiting for it
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

// Init connects the stack to its state. The settings of an earlier run are not asked for.
func (s *Stack) Init(ctx context.Context) error {
	return explain("init "+s.Name, s.terraform.Init(ctx, tfexec.Reconfigure(true)))
}

// Plan writes a plan file and tells whether it would change anything.
func (s *Stack) Plan(ctx context.Context, file string) (changes bool, err error) {
	changes, err = s.terraform.Plan(ctx, tfexec.Out(file), tfexec.Parallelism(Parallelism), tfexec.LockTimeout(s.lockTimeout))
	return changes, explain("plan "+s.Name, err)
}

// Apply carries out a plan file.
func (s *Stack) Apply(ctx context.Context, file string) error {
	return explain("apply "+s.Name, s.terraform.Apply(ctx, tfexec.DirOrPlan(file), tfexec.Parallelism(Parallelism), tfexec.LockTimeout(s.lockTimeout)))
}

// PlanDestroy writes a plan file that removes everything in the stack.
func (s *Stack) PlanDestroy(ctx context.Context, file string) error {
	_, err := s.terraform.Plan(ctx, tfexec.Out(file), tfexec.Destroy(true), tfexec.Parallelism(Parallelism), tfexec.LockTimeout(s.lockTimeout))
	return explain("destroy "+s.Name, err)
}

// KeepProtected takes as they are the protected resources whose creation was interrupted. Terraform would replace
// them, which the protection refuses for ever; what is missing of them, the next plan completes.
func (s *Stack) KeepProtected(ctx context.Context) error {
	state, err := s.reader.Show(ctx)
	if err != nil || state.Values == nil {
		return explain("show the state of "+s.Name, err)
	}
	protected, err := s.protected()
	if err != nil {
		return err
	}
	for _, resource := range state.Values.RootModule.Resources {
		if resource.Tainted && protected[resource.Address] {
			if err := s.terraform.Untaint(ctx, resource.Address); err != nil {
				return explain("untaint "+resource.Address, err)
			}
		}
	}
	return nil
}

// protected is the addresses of the resources that Terraform must not destroy.
func (s *Stack) protected() (map[string]bool, error) {
	content, err := os.ReadFile(filepath.Join(s.dir, "cdk.tf.json"))
	if err != nil {
		return nil, err
	}
	var body struct {
		Resource map[string]map[string]struct {
			Lifecycle struct {
				PreventDestroy bool `json:"prevent_destroy"`
			} `json:"lifecycle"`
		} `json:"resource"`
	}
	if err := json.Unmarshal(content, &body); err != nil {
		return nil, fmt.Errorf("read the stack %s: %w", s.Name, err)
	}
	protected := map[string]bool{}
	for kind, resources := range body.Resource {
		for id, resource := range resources {
			protected[kind+"."+id] = resource.Lifecycle.PreventDestroy
		}
	}
	return protected, nil
}

// ShowPlan reads a plan file.
func (s *Stack) ShowPlan(ctx context.Context, file string) (*tfjson.Plan, error) {
	plan, err := s.reader.ShowPlanFile(ctx, file)
	return plan, explain("show the plan of "+s.Name, err)
}

// StateOutputs is the stack's outputs as its state has them, by name: of each the value and whether it is sensitive.
func (s *Stack) StateOutputs(ctx context.Context) (map[string]*tfjson.StateOutput, error) {
	// Not terraform show, which starts the provider to learn what the rest of the state means.
	found, err := s.reader.Output(ctx)
	if err != nil {
		return nil, explain("outputs of "+s.Name, err)
	}
	outputs := map[string]*tfjson.StateOutput{}
	for name, output := range found {
		var value any
		if err := json.Unmarshal(output.Value, &value); err != nil {
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

// LockProviders writes the checksums of the stack's providers on the given platforms beside the stack.
func (s *Stack) LockProviders(ctx context.Context, platforms []string) error {
	var options []tfexec.ProvidersLockOption
	for _, platform := range platforms {
		options = append(options, tfexec.Platform(platform))
	}
	return explain("lock the providers of "+s.Name, s.terraform.ProvidersLock(ctx, options...))
}
