// Package test holds what is claimed of the whole: of the synthesized stacks, of plans, of a life on the local AWS.
package test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/starttech/infrastructure/packagecache"
)

var update = flag.Bool("update", false, "rewrite the golden files; read their diff")

// What all tests share: the program, built once, and what it synthesized, once by one kernel each.
var (
	root    string // of the checkout
	program string // the built program
	scratch string // removed at the end

	packageCache    string // directory of the package cache
	errPackageCache error  // if it could not be prepared

	shipped  output // of environments/
	variants output // of environments/ and testdata/environments/ together
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := prepareAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepareAndRun(m *testing.M) (code int, err error) {
	if root, err = filepath.Abs(".."); err != nil {
		return 0, err
	}
	// The checkout's own Node.js comes first, as in every make target, and the linters.
	os.Setenv("PATH", strings.Join([]string{
		filepath.Join(root, "node_modules", ".bin"), filepath.Join(root, ".local", "checks", "bin"), filepath.Join(root, ".local", "bin"), os.Getenv("PATH"),
	}, string(os.PathListSeparator)))

	if scratch, err = os.MkdirTemp("", "starttech-test-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()

	program = filepath.Join(scratch, "infrastructure")
	build := exec.Command("go", "build", "-ldflags=-w", "-o", program, ".") // nobody debugs it
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build: %w\n%s", err, out)
	}

	// As in every make target, the program reads only what it uses of the construct libraries.
	os.Unsetenv(packagecache.Variable)
	errPackageCache = packagecache.Use(context.Background(), root, filepath.Join(root, ".local", "packagecache"), ".")
	packageCache = os.Getenv(packagecache.Variable)

	var failed [2]error
	var both sync.WaitGroup
	both.Go(func() { shipped, failed[0] = synthesize(filepath.Join(scratch, "shipped"), "../environments") })
	both.Go(func() {
		variants, failed[1] = synthesize(filepath.Join(scratch, "some", "where else"), "../environments", "testdata/environments/variants")
	})
	both.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// output is a folder that the program ran in.
type output struct {
	dir    string
	stacks map[string]stack // by name
}

// stack is a synthesized stack.
type stack struct {
	name string
	json []byte // cdk.tf.json as it was written
	body map[string]any
}

// synthesize runs the program in a new folder, with the environment files of the given folders.
func synthesize(dir string, from ...string) (output, error) {
	return synthesizeBy(exec.Command(program), dir, from...)
}

func synthesizeBy(command *exec.Cmd, dir string, from ...string) (output, error) {
	if err := writeEnvironments(dir, from...); err != nil {
		return output{}, err
	}
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		return output{}, fmt.Errorf("synthesize %v: %w\n%s", from, err, out)
	}
	return readOutput(dir)
}

// writeEnvironments copies environment files into dir/environments.
func writeEnvironments(dir string, from ...string) error {
	to := filepath.Join(dir, "environments")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, folder := range from {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
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

func readOutput(dir string) (output, error) {
	files, err := filepath.Glob(filepath.Join(dir, "cdktf.out", "stacks", "*", "cdk.tf.json"))
	if err != nil {
		return output{}, err
	}
	out := output{dir: dir, stacks: map[string]stack{}}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return output{}, err
		}
		s := stack{name: filepath.Base(filepath.Dir(file)), json: content}
		if err := json.Unmarshal(content, &s.body); err != nil {
			return output{}, fmt.Errorf("%s: %w", file, err)
		}
		out.stacks[s.name] = s
	}
	return out, nil
}
