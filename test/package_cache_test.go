package test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/packagecache"
)

func TestProgramHasPackageCache(t *testing.T) {
	if errPackageCache != nil {
		t.Fatal(errPackageCache)
	}
	equal(t, "entries", len(markers(t, packageCache)), 3) // constructs, cdktf, provider; none added by the kernel
}

// markers returns the files that mark the complete entries of a package cache for the jsii kernel.
func markers(t *testing.T, cache string) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"*/*/*", "@*/*/*/*"} {
		more, err := filepath.Glob(filepath.Join(cache, pattern, ".jsii-runtime-package-cache"))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, more...)
	}
	return found
}

// It needs a gigabyte of memory, so it does not run in parallel with other tests.
func TestCompleteLibrariesGiveTheSameJSON(t *testing.T) {
	start := time.Now()
	command := exec.CommandContext(t.Context(), "env", "-u", packagecache.Variable, program)
	complete, err := synthesizeBy(command, filepath.Join(t.TempDir(), "complete"), "../environments", "testdata/environments/variants")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, file := range markers(t, packagecache.DefaultRoot()) {
		if info, err := os.Stat(file); err == nil && !info.ModTime().Before(start.Truncate(time.Second)) {
			used++ // the kernel sets its modification time
		}
	}
	equal(t, "used entries of complete libraries", used, 3)
	equal(t, "stacks", slices.Sorted(maps.Keys(complete.stacks)), slices.Sorted(maps.Keys(variants.stacks)))
	for name, stack := range complete.stacks {
		if !bytes.Equal(stack.json, variants.stack(t, name).json) {
			equal(t, name, string(variants.stack(t, name).json), string(stack.json))
		}
	}
}

func TestAdditionalImportIsAnotherPackageCache(t *testing.T) {
	t.Parallel()
	const queuePackage = "./test/testdata/queue"
	dir := t.TempDir()
	queue := filepath.Join(dir, "queue")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", queue, queuePackage)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	prepared, err := packagecache.Prepare(t.Context(), root, filepath.Join(dir, "cache"), ".", queuePackage)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(prepared) == filepath.Base(packageCache) {
		t.Errorf("both have the key %s", filepath.Base(prepared))
	}

	run := func(cache string) (string, error) {
		command := exec.CommandContext(t.Context(), queue)
		command.Dir = dir
		command.Env = append(os.Environ(), packagecache.Variable+"="+cache)
		out, err := command.CombinedOutput()
		return string(out), err
	}
	// The error that a key without the imports would lead to.
	if out, err := run(packageCache); err == nil || !strings.Contains(out, "@cdktf/provider-aws.sqsQueue.SqsQueue") {
		t.Errorf("the program works without the module: %v: %s", err, out)
	}
	if out, err := run(prepared); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := readOutput(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out.stack(t, "queue").json), "aws_sqs_queue") {
		t.Error("no queue in the stack")
	}
}

// smallProgram takes the place of the project's program. It writes production, counts its runs, and records the package cache.
const smallProgram = `package main

import (
	"os"

	_ "github.com/aws/constructs-go/constructs/v10"
)

func main() {
	runs, _ := os.ReadFile("runs")
	for name, content := range map[string]string{
		"runs": string(runs) + "x",
		"root": os.Getenv("JSII_RUNTIME_PACKAGE_CACHE_ROOT"),
		"cdktf.out/stacks/production/cdk.tf.json":
			"{\"terraform\": {\"backend\": {\"local\": {}}}, \"resource\": {\"terraform_data\": {\"thing\": {\"input\": \"" + string(runs) + "\"}}}}",
	} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			panic(err)
		}
	}
}
`

// newSmallCheckout is a checkout with smallProgram, in which everything is installed and nothing is synthesized.
func newSmallCheckout(t *testing.T) pipeline {
	t.Helper()
	goEnv := func(name string) string {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	p := newPipeline(t)
	p.step["PATH"] += ":" + os.Getenv("PATH")
	maps.Copy(p.step, map[string]string{"GOMODCACHE": goEnv("GOMODCACHE"), "GOCACHE": goEnv("GOCACHE")})
	p.copy(t, "go.mod", "go.sum", "package-lock.json")
	p.write(t, "node_modules/.installed", p.read(t, "package-lock.json"))
	p.write(t, "main.go", smallProgram)
	remove(t, filepath.Join(p.dir, ".local", "synth.json"))
	return p
}

func TestSynthPreparesPackageCache(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, p pipeline)
		out    string
		root   func(t *testing.T, p pipeline) string
	}{
		"prepared": {
			out: "Synthesize the stacks",
			root: func(t *testing.T, p pipeline) string {
				key, err := packagecache.Key(t.Context(), p.dir, ".")
				if err != nil {
					t.Fatal(err)
				}
				return filepath.Join(p.dir, ".local", "packagecache", key)
			},
		},
		"cannot be prepared": {
			change: func(t *testing.T, p pipeline) { p.write(t, ".local/packagecache", "in the way") },
			out:    "warning: the package cache could not be prepared, so synthesis is slow: ",
			root:   func(*testing.T, pipeline) string { return "" },
		},
		"set in the environment": {
			change: func(_ *testing.T, p pipeline) { p.step[packagecache.Variable] = "/elsewhere" },
			out:    "Synthesize the stacks",
			root:   func(*testing.T, pipeline) string { return "/elsewhere" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSmallCheckout(t)
			if test.change != nil {
				test.change(t, p)
			}
			p.works(t, test.out, "synth")
			equal(t, packagecache.Variable, p.read(t, "root"), test.root(t, p))
		})
	}
}

func TestPlanSynthesizesIfASourceIsNewer(t *testing.T) {
	t.Parallel()
	p := newSmallCheckout(t)
	runs := func(want int, what string) {
		t.Helper()
		p.works(t, "Plan of production: ", "plan")
		equal(t, "runs of the program "+what, len(p.read(t, "runs")), want)
	}
	runs(1, "the first time")
	runs(1, "if nothing has changed")
	p.write(t, "environments/production.yaml", p.read(t, "environments/production.yaml")+"# a comment\n")
	runs(2, "after a change of an environment file")
	p.write(t, "main.go", smallProgram+"\n// A comment.\n")
	runs(3, "after a change of the code")
	p.write(t, "more.go", "package main\n")
	runs(4, "with a new file of code")
	p.write(t, productionDir+"cdk.tf.json", "{}")
	runs(5, "after a change of the result")
	remove(t, filepath.Join(p.dir, productionDir, "cdk.tf.json"))
	runs(6, "without the result")
	p.write(t, "main_test.go", "package main\n")
	p.write(t, "README.md", "")
	runs(6, "after changes that are not its sources")

	p.write(t, "environments/production.yaml", "account: 1\n")
	p.fails(t, "environments/production.yaml:1:10: account: 1 is a number, not a string; put it in quotes", "plan")
	p.copy(t, "environments/production.yaml")
	p.write(t, "main.go", "package main\n\nfunc main() { broken }\n")
	p.fails(t, "main.go:3:15: undefined: broken", "plan")
}
