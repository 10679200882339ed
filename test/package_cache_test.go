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

func TestThereIsAPackageCacheForTheProgram(t *testing.T) {
	if errPackageCache != nil {
		t.Fatal(errPackageCache)
	}
	equal(t, "finished entries", len(markers(t, packageCache)), 3) // constructs, cdktf, provider: none that a kernel added
}

// markers is the files that tell the jsii kernel which entries are finished.
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

// It takes a gigabyte, so that it does not run beside those that are parallel.
func TestTheWholeLibrariesGiveTheSameBytes(t *testing.T) {
	begin := time.Now()
	command := exec.CommandContext(t.Context(), "env", "-u", packagecache.Variable, program)
	whole, err := synthesizeBy(command, filepath.Join(t.TempDir(), "whole"), "../environments", "testdata/environments")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, file := range markers(t, packagecache.DefaultRoot()) {
		if last, err := os.Stat(file); err == nil && !last.ModTime().Before(begin.Truncate(time.Second)) {
			used++ // the kernel sets its time
		}
	}
	equal(t, "entries of whole libraries that were used", used, 3)
	equal(t, "stacks", slices.Sorted(maps.Keys(whole.stacks)), slices.Sorted(maps.Keys(variants.stacks)))
	for name, stack := range whole.stacks {
		if !bytes.Equal(stack.json, variants.stack(t, name).json) {
			equal(t, name, string(variants.stack(t, name).json), string(stack.json))
		}
	}
}

func TestOneImportMoreIsPreparedAnew(t *testing.T) {
	t.Parallel()
	const more = "./test/testdata/queue"
	dir := t.TempDir()
	queue := filepath.Join(dir, "queue")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", queue, more)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	prepared, err := packagecache.Root(t.Context(), root, filepath.Join(dir, "cache"), ".", more)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(prepared) == filepath.Base(packageCache) {
		t.Errorf("both keys are %s", filepath.Base(prepared))
	}

	run := func(cache string) (string, error) {
		command := exec.CommandContext(t.Context(), queue)
		command.Dir = dir
		command.Env = append(os.Environ(), packagecache.Variable+"="+cache)
		out, err := command.CombinedOutput()
		return string(out), err
	}
	// This is what the key spares people.
	if out, err := run(packageCache); err == nil || !strings.Contains(out, "@cdktf/provider-aws.sqsQueue.SqsQueue") {
		t.Errorf("the program runs without the module: %v: %s", err, out)
	}
	if out, err := run(prepared); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := readOutput(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out.stack(t, "queue").json), "aws_sqs_queue") {
		t.Error("there is no queue in the stack")
	}
}

func TestSynthPreparesThePackageCacheAndGoesOnWithoutOne(t *testing.T) {
	t.Parallel()
	environment := func(name string) string {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	for name, test := range map[string]struct {
		step  map[string]string
		works bool // go, and a program on the constructs alone
		said  string
		given string // to cdktf, below the folder of the checkout if it does not begin with a slash
	}{
		"one is prepared":      {works: true, said: "Synthesize the stacks", given: ".local/packagecache/"},
		"none can be prepared": {said: "The constructs' libraries were read as a whole, which is slow: go list: "},
		"somebody has chosen":  {step: map[string]string{packagecache.Variable: "/elsewhere"}, said: "Synthesize the stacks", given: "/elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t)
			maps.Copy(p.step, test.step)
			p.write(t, "bin/cdktf", "#!/bin/sh\necho \"$"+packagecache.Variable+"\" > given\n")
			if err := os.Chmod(filepath.Join(p.dir, "bin", "cdktf"), 0o755); err != nil {
				t.Fatal(err)
			}
			want := test.given
			if test.works {
				p.step["PATH"] = p.step["PATH"] + ":" + os.Getenv("PATH")
				maps.Copy(p.step, map[string]string{"GOMODCACHE": environment("GOMODCACHE"), "GOCACHE": environment("GOCACHE")})
				p.copy(t, "go.mod", "go.sum")
				p.write(t, "main.go", "package main\n\nimport _ \"github.com/aws/constructs-go/constructs/v10\"\n\nfunc main() {}\n")
				key, err := packagecache.Key(t.Context(), p.dir, ".")
				if err != nil {
					t.Fatal(err)
				}
				want = filepath.Join(p.dir, test.given, key)
			}
			p.works(t, test.said, "synth")
			equal(t, "given", p.read(t, "given"), want+"\n")
		})
	}
}
