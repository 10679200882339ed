package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/starttech/infrastructure/config"
)

// Output is a directory in which the program has run.
type Output struct {
	Dir    string
	Stacks map[string]Stack // by name
}

// Directories of environment files, relative to the checkout.
const (
	ReferenceDir = "test/testdata/environments/reference" // production and staging as they are shipped
	VariantsDir  = "test/testdata/environments/variants"  // one for each group of settings
	ExtremesDir  = "test/testdata/environments/extremes"  // the longest name, and another account with no default value

	EverythingDir = "test/testdata/environments"            // everything.yaml: every optional component at once
	ComponentsDir = "test/testdata/environments/components" // each optional component alone, in an account of its own
)

// Reference is the stacks of the reference environments. The snapshots are theirs.
func Reference(t *testing.T) Output { return Must2(t, reference) }

// Variants is the stacks of the reference environments and of the variants, of one account.
func Variants(t *testing.T) Output { return Must2(t, variants) }

// Extremes is the stacks of two accounts.
func Extremes(t *testing.T) Output { return Must2(t, extremes) }

// Components is the stacks of the optional components: all at once, and each alone. Each environment has an account of its own.
func Components(t *testing.T) Output { return Must2(t, components) }

// Linted is the stacks of the reference environments, of the variants, and of all optional components at once, by name.
func Linted(t *testing.T) map[string]Stack {
	stacks := maps.Clone(Variants(t).Stacks)
	e := Components(t).Stack(t, "everything")
	bootstrap := config.BootstrapStackOf(e.Environment().Account, e.AllEnvironments())
	stacks[e.Name], stacks[bootstrap] = e, Components(t).Stack(t, bootstrap)
	return stacks
}

// Operator is the stacks of the environment files in the checkout, which operators edit. What a test claims of them has to be
// true of any environment.
func Operator(t *testing.T) Output { return Must2(t, operator) }

var (
	reference = synthesizeOnce("reference", ReferenceDir)
	variants  = synthesizeOnce("some directory/with a space", ReferenceDir, VariantsDir)
	extremes  = synthesizeOnce("extremes", ExtremesDir)
	operator  = synthesizeOnce("operator", "environments")

	components = synthesizeOnce("components", EverythingDir, ComponentsDir)
)

func synthesizeOnce(dir string, from ...string) func() (Output, error) {
	return sync.OnceValues(func() (Output, error) {
		var paths []string
		for _, each := range from {
			paths = append(paths, filepath.Join(Root, each))
		}
		return Synthesize(filepath.Join(Scratch, dir), paths...)
	})
}

// Must2 is Must of a function.
func Must2[T any](t *testing.T, do func() (T, error)) T {
	t.Helper()
	value, err := do()
	return Must(t, value, err)
}

// Synthesize runs the program in a new directory, with the environment files of the given directories.
func Synthesize(dir string, from ...string) (Output, error) {
	program, err := Program()
	if err != nil {
		return Output{}, err
	}
	return SynthesizeBy(exec.Command(program), dir, from...)
}

// SynthesizeBy is Synthesize by another command.
func SynthesizeBy(command *exec.Cmd, dir string, from ...string) (Output, error) {
	if err := CopyEnvironments(dir, from...); err != nil {
		return Output{}, err
	}
	if err := copyFunction(dir); err != nil {
		return Output{}, err
	}
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		return Output{}, fmt.Errorf("synthesize %v: %w\n%s", from, err, out)
	}
	return ReadOutput(dir)
}

// copyFunction copies the code of the Lambda function, which the program builds from its working directory.
func copyFunction(dir string) error {
	files, err := filepath.Glob(filepath.Join(Root, "lambda", "rotation", "*.go"))
	if err != nil {
		return err
	}
	for _, file := range append(files, filepath.Join(Root, "go.mod"), filepath.Join(Root, "go.sum")) {
		relative, err := filepath.Rel(Root, file)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, relative)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// CopyEnvironments copies the environment files of the given directories into dir/environments.
func CopyEnvironments(dir string, from ...string) error {
	to := filepath.Join(dir, "environments")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, directory := range from {
		files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
		if err != nil {
			return err
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), content, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReadOutput reads the stacks in dir/cdktf.out, and the environments in dir/environments.
func ReadOutput(dir string) (Output, error) {
	files, err := filepath.Glob(filepath.Join(dir, "cdktf.out", "stacks", "*", "cdk.tf.json"))
	if err != nil {
		return Output{}, err
	}
	environments, err := config.Load(filepath.Join(dir, "environments"))
	if err != nil && !os.IsNotExist(err) {
		environments = nil // a test without environment files
	}
	out := Output{Dir: dir, Stacks: map[string]Stack{}}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return Output{}, err
		}
		s := Stack{Name: filepath.Base(filepath.Dir(file)), JSON: content, environments: environments}
		if err := json.Unmarshal(content, &s.Body); err != nil {
			return Output{}, fmt.Errorf("%s: %w", file, err)
		}
		out.Stacks[s.Name] = s
	}
	return out, nil
}

// Stack is a stack by name.
func (o Output) Stack(t *testing.T, name string) Stack {
	t.Helper()
	s, ok := o.Stacks[name]
	if !ok {
		t.Fatalf("there is no stack %q; the stacks are %v", name, slices.Sorted(maps.Keys(o.Stacks)))
	}
	return s
}

// StackDir is the directory of a stack.
func (o Output) StackDir(name string) string {
	return filepath.Join(o.Dir, "cdktf.out", "stacks", name)
}

// IsBootstrap reports whether the stack is a bootstrap stack.
func (s Stack) IsBootstrap() bool { return strings.HasPrefix(s.Name, config.BootstrapStack) }

// Environment is the environment of the stack. For a bootstrap stack, it is the first one of its account.
func (s Stack) Environment() config.Environment {
	for _, e := range s.environments {
		if e.Name == s.Name || s.Name == config.BootstrapStackOf(e.Account, s.environments) {
			return e
		}
	}
	return config.Environment{}
}

// Environments is the environments of the stack's account.
func (s Stack) Environments() []config.Environment {
	account := s.Environment().Account
	return slices.DeleteFunc(slices.Clone(s.environments), func(e config.Environment) bool { return e.Account != account })
}

// AllEnvironments is the environments of all accounts.
func (s Stack) AllEnvironments() []config.Environment { return s.environments }
