package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/packagecache"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestProgramHasPackageCache(t *testing.T) {
	check(t, harness.PackageCacheError)
	equal(t, "entries", len(cacheEntries(t, harness.PackageCache)), 3) // constructs, cdktf, provider; none added by the kernel
}

// cacheEntries is the files that mark the complete entries of a package cache for the jsii kernel.
func cacheEntries(t *testing.T, cache string) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"*/*/*", "@*/*/*/*"} {
		more, err := filepath.Glob(filepath.Join(cache, pattern, ".jsii-runtime-package-cache"))
		check(t, err)
		found = append(found, more...)
	}
	return found
}

// It needs a gigabyte of memory.
func TestCompleteLibrariesGiveTheSameJSON(t *testing.T) {
	t.Parallel()
	start := time.Now()
	command := exec.CommandContext(t.Context(), "env", "-u", packagecache.Variable, harness.Must2(t, harness.Program))
	complete, err := harness.SynthesizeBy(command, filepath.Join(t.TempDir(), "complete"),
		filepath.Join(harness.Root, harness.ReferenceDir), filepath.Join(harness.Root, harness.VariantsDir))
	check(t, err)
	used := 0
	for _, file := range cacheEntries(t, packagecache.DefaultRoot()) {
		if info, err := os.Stat(file); err == nil && !info.ModTime().Before(start.Truncate(time.Second)) {
			used++ // the kernel sets its modification time
		}
	}
	equal(t, "used entries of complete libraries", used, 3)
	equal(t, "stacks", stackJSON(complete), stackJSON(harness.Variants(t)))
}

// stackJSON is the JSON of all stacks, by name.
func stackJSON(o harness.Output) map[string]string {
	all := map[string]string{}
	for name, s := range o.Stacks {
		all[name] = string(s.JSON)
	}
	return all
}

func TestAdditionalImportChangesPackageCache(t *testing.T) {
	t.Parallel()
	const queuePackage = "./test/cli/testdata/queue"
	dir := t.TempDir()
	queue := filepath.Join(dir, "queue")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", queue, queuePackage)
	build.Dir = harness.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	prepared, err := packagecache.Prepare(t.Context(), harness.Root, filepath.Join(dir, "cache"), ".", queuePackage)
	check(t, err)
	if filepath.Base(prepared) == filepath.Base(harness.PackageCache) {
		t.Errorf("both have the key %s", filepath.Base(prepared))
	}

	run := func(cache string) (harness.Output, error) {
		command := exec.CommandContext(t.Context(), queue)
		command.Env = append(os.Environ(), packagecache.Variable+"="+cache)
		return harness.SynthesizeBy(command, dir)
	}
	// The error that would occur if the key did not depend on the imports.
	if _, err := run(harness.PackageCache); err == nil || !strings.Contains(err.Error(), "@cdktf/provider-aws.sqsQueue.SqsQueue") {
		t.Errorf("the program works without the module: %v", err)
	}
	out, err := run(prepared)
	check(t, err)
	out.Stack(t, "queue").Only(t, "aws_sqs_queue")
}

func TestSynthPreparesPackageCache(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change     func(t *testing.T, c checkout)
		want, root string // root of the cache; KEY is the key
	}{
		"prepared": {func(*testing.T, checkout) {}, "Synthesize the stacks", ".local/packagecache/KEY"},
		"cannot be prepared": {
			func(t *testing.T, c checkout) { c.write(t, ".local/packagecache", "in the way") },
			"warning: the package cache could not be prepared, so synthesis is slow: ", "",
		},
		"set in the environment": {
			func(_ *testing.T, c checkout) { c.env[packagecache.Variable] = "/elsewhere" }, "Synthesize the stacks", "/elsewhere",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newProgramCheckout(t)
			test.change(t, c)
			c.mustRun(t, "synth", test.want)
			key, err := packagecache.Key(t.Context(), c.dir, ".")
			check(t, err)
			got := strings.TrimPrefix(c.read(t, "root"), c.dir+"/")
			equal(t, packagecache.Variable, got, strings.Replace(test.root, "KEY", key, 1))
		})
	}
}
