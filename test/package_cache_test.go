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
	complete, err := synthesizeBy(command, filepath.Join(t.TempDir(), "complete"), "../environments", "testdata/environments")
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

func TestSynthPreparesPackageCache(t *testing.T) {
	t.Parallel()
	goEnv := func(name string) string {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	for name, test := range map[string]struct {
		step  map[string]string
		works bool // there are go and a program on constructs
		out   string
		root  string // for cdktf: an absolute path, or below the checkout and followed by the key
	}{
		"prepared":               {works: true, out: "Synthesize the stacks", root: ".local/packagecache/"},
		"cannot be prepared":     {out: "The synthesis read the complete construct libraries, which is slow: go list: "},
		"set in the environment": {step: map[string]string{packagecache.Variable: "/elsewhere"}, out: "Synthesize the stacks", root: "/elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t)
			maps.Copy(p.step, test.step)
			p.write(t, "bin/cdktf", "#!/bin/sh\necho \"$"+packagecache.Variable+"\" > root\n")
			if err := os.Chmod(filepath.Join(p.dir, "bin", "cdktf"), 0o755); err != nil {
				t.Fatal(err)
			}
			want := test.root
			if test.works {
				p.step["PATH"] = p.step["PATH"] + ":" + os.Getenv("PATH")
				maps.Copy(p.step, map[string]string{"GOMODCACHE": goEnv("GOMODCACHE"), "GOCACHE": goEnv("GOCACHE")})
				p.copy(t, "go.mod", "go.sum")
				p.write(t, "main.go", "package main\n\nimport _ \"github.com/aws/constructs-go/constructs/v10\"\n\nfunc main() {}\n")
				key, err := packagecache.Key(t.Context(), p.dir, ".")
				if err != nil {
					t.Fatal(err)
				}
				want = filepath.Join(p.dir, test.root, key)
			}
			p.works(t, test.out, "synth")
			equal(t, packagecache.Variable, p.read(t, "root"), want+"\n")
		})
	}
}
