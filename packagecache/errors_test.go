package packagecache

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain runs Prepare instead of the tests if the variables for it are set, so that a test can run it in another process.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PACKAGECACHE_TEST_DIR"); dir != "" {
		root, err := Prepare(context.Background(), dir, os.Getenv("PACKAGECACHE_TEST_CACHE"), ".")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(root)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// newProcess returns a command that runs Prepare in another process, after the arguments in prefix.
func newProcess(t *testing.T, dir, cache string, prefix ...string) *exec.Cmd {
	t.Helper()
	args := append(prefix, os.Args[0])
	command := exec.CommandContext(t.Context(), args[0], args[1:]...)
	command.Env = append(os.Environ(), "PACKAGECACHE_TEST_DIR="+dir, "PACKAGECACHE_TEST_CACHE="+cache)
	return command
}

func TestProcessesPrepareAtTheSameTime(t *testing.T) {
	t.Parallel()
	dir, cache := newFixture().write(t), t.TempDir()
	var outs [4]string
	var processes sync.WaitGroup
	for i := range outs {
		command := newProcess(t, dir, cache)
		processes.Go(func() {
			out, err := command.CombinedOutput()
			if outs[i] = strings.TrimSpace(string(out)); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	processes.Wait()
	for _, root := range outs {
		if root != outs[0] {
			t.Errorf("roots %s and %s", outs[0], root)
		}
	}
	if err := check(outs[0]); err != nil {
		t.Error(err)
	}
	equalNames(t, cache, filepath.Base(outs[0]))
}

func TestDirectoryOfKilledProcessIsNotUsed(t *testing.T) {
	t.Parallel()
	dir, cache := newFixture().write(t), t.TempDir()
	command := newProcess(t, dir, cache)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stages := func() []string {
		found, _ := filepath.Glob(filepath.Join(cache, stagingPrefix+"*", "@example", "provider", "*", "*", markerFile))
		return found
	}
	for deadline := time.Now().Add(time.Minute); len(stages()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no entry within a minute")
		}
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil || len(stages()) != 1 {
		t.Fatalf("not killed while preparing: %v, %v", err, stages())
	}

	root := prepare(t, dir, cache)
	if err := check(root); err != nil {
		t.Error(err)
	}
}

func TestUnsupportedLayoutIsAnErrorOfOneLine(t *testing.T) {
	t.Parallel()
	program, err := inspect(t.Context(), newFixture().write(t), []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*fixture)
		want   string
	}{
		"manifest with another schema": {
			change: func(f *fixture) { f.files[".jsii"] = strings.Replace(f.files[".jsii"], manifestSchema, "jsii/1.0", 1) },
			want:   "provider.tgz: .jsii: got schema jsii/1.0, name @example/provider, 1 types, want schema jsii/0.10.0, name @example/provider: unsupported layout",
		},
		"compressed manifest": {
			change: func(f *fixture) {
				f.files[".jsii"] = `{"schema": "jsii/file-redirect", "compression": "gzip", "filename": ".jsii.gz"}`
			},
			want: "provider.tgz: .jsii: got schema jsii/file-redirect, name <nil>, 0 types, want schema jsii/0.10.0, name @example/provider: unsupported layout",
		},
		"no manifest": {
			change: func(f *fixture) { delete(f.files, ".jsii") },
			want:   "provider.tgz: .jsii: EOF",
		},
		"truncated manifest": {
			change: func(f *fixture) { f.files[".jsii"] = f.files[".jsii"][:200] },
			want:   "provider.tgz: .jsii: unexpected EOF",
		},
		"manifest is a list": {
			change: func(f *fixture) { f.files[".jsii"] = "[]" },
			want:   "provider.tgz: .jsii: got [, want an object: unsupported layout",
		},
		"another main": {
			change: func(f *fixture) { f.files["package.json"] = `{"name": "@example/provider", "main": "dist/index.mjs"}` },
			want:   "provider.tgz: package.json: main is dist/index.mjs, want lib/index.js: unsupported layout",
		},
		"another format of the lazy index": {
			change: func(f *fixture) { f.files[lazyIndex] = "exports.queue = lazily(() => import('./queue'));\n" },
			want:   "provider.tgz: lib/lazy-index.js: no module for the Go package \"queue\": unsupported layout",
		},
		"no index of a module": {
			change: func(f *fixture) { delete(f.files, "lib/queue/index.js") },
			want:   "provider.tgz: no lib/queue/index.js: unsupported layout",
		},
		"class extends one of another module": {
			change: func(f *fixture) {
				f.files[".jsii"] = manifestOf("@example/provider", "1.2.3", map[string]string{"queue.Queue": "table.Table", "table.Table": ""})
			},
			want: "provider.tgz: .jsii: an imported type refers to @example/provider.table.Table, which is not imported: unsupported layout",
		},
		"class implements an interface of another module": {
			change: func(f *fixture) {
				f.files[".jsii"] = strings.Replace(f.files[".jsii"], `"fqn":"@example/provider.queue.Queue"`, `"fqn":"@example/provider.queue.Queue","interfaces":["@example/provider.table.Table"]`, 1)
			},
			want: "provider.tgz: .jsii: an imported type refers to @example/provider.table.Table, which is not imported: unsupported layout",
		},
		"property has a type of another module": {
			change: func(f *fixture) {
				f.files[".jsii"] = strings.Replace(f.files[".jsii"], `{"primitive":"string"}`, `{"fqn":"@example/provider.table.Table"}`, 1)
			},
			want: "provider.tgz: .jsii: an imported type refers to @example/provider.table.Table, which is not imported: unsupported layout",
		},
		"module requires another": {
			change: func(f *fixture) { f.files["lib/queue/index.js"] = "exports.Queue = require('../table').Table;\n" },
			want:   "@jsii/runtime@1.112.0 cannot load @example/provider.queue.Queue: Cannot find module '../table': unsupported layout",
		},
		"types outside the modules": {
			change: func(f *fixture) { f.imports = append(f.imports, "") },
			want:   `provider.tgz: lib/lazy-index.js: no module for the Go package "": unsupported layout`,
		},
		"file outside the package": {
			change: func(f *fixture) { f.files["../../outside"] = "" },
			want:   `provider.tgz: "package/../../outside" is not a path in the package`,
		},
		"file with a line break": {
			change: func(f *fixture) { f.files["lib/queue/a\nb.js"] = "" },
			want:   `provider.tgz: "package/lib/queue/a\nb.js" is not a path in the package`,
		},
		"file with a backslash": {
			change: func(f *fixture) { f.files[`lib\queue\..\..\..\x.js`] = "" },
			want:   `provider.tgz: "package/lib\\queue\\..\\..\\..\\x.js" is not a path in the package`,
		},
		"no version": {
			change: func(f *fixture) { f.rename("@example/provider", "") },
			want:   `provider.tgz: package.json: version is "", want one without a separator: unsupported layout`,
		},
		"version outside the package cache": {
			change: func(f *fixture) { f.rename("@example/provider", "../../../../outside") },
			want:   `provider.tgz: package.json: version is "../../../../outside", want one without a separator: unsupported layout`,
		},
		"version that is the current directory": {
			change: func(f *fixture) { f.rename("@example/provider", ".") },
			want:   `provider.tgz: package.json: version is ".", want one without a separator: unsupported layout`,
		},
		"version with a separator": {
			change: func(f *fixture) { f.rename("@example/provider", "1/2") },
			want:   `provider.tgz: package.json: version is "1/2", want one without a separator: unsupported layout`,
		},
		"name outside the package cache": {
			change: func(f *fixture) { f.rename("../outside", "1.2.3") },
			want:   `provider.tgz: package.json: name is "../outside", want NAME or @SCOPE/NAME: unsupported layout`,
		},
		"absolute name": {
			change: func(f *fixture) { f.rename("/outside", "1.2.3") },
			want:   `provider.tgz: package.json: name is "/outside", want NAME or @SCOPE/NAME: unsupported layout`,
		},
		"scope outside the package cache": {
			change: func(f *fixture) { f.rename("@example/../../outside", "1.2.3") },
			want:   `provider.tgz: package.json: name is "@example/../../outside", want NAME or @SCOPE/NAME: unsupported layout`,
		},
		"name with a backslash": {
			change: func(f *fixture) { f.rename(`..\outside`, "1.2.3") },
			want:   `provider.tgz: package.json: name is "..\\outside", want NAME or @SCOPE/NAME: unsupported layout`,
		},
		"library throws an error": {
			change: func(f *fixture) { f.files[lazyIndex] = "throw new Error('no');\n" + f.files[lazyIndex] },
			want:   "@jsii/runtime@1.112.0 cannot load @example/provider: no: unsupported layout",
		},
		"empty runtime": {
			change: func(f *fixture) { f.runtime = " " },
			want:   "read the greeting of the jsii runtime: EOF",
		},
		"runtime exits": {
			change: func(f *fixture) { f.runtime = "console.error('too old'); process.exit(3)" },
			want:   "run the jsii runtime: exit status 3: too old",
		},
		"runtime uses another cache": {
			change: func(f *fixture) {
				f.runtime = `console.log('{"hello":"runtime@9"}\n{"ok":{"types":23208}}\n{"ok":{}}')`
			},
			want: "runtime@9 has 23208 types of @example/provider, want 1: unsupported package cache",
		},
		"runtime adds an entry": {
			change: func(f *fixture) {
				f.runtime = `const dir = process.env.JSII_RUNTIME_PACKAGE_CACHE_ROOT + "/v2/@example";
					require("fs").mkdirSync(dir, { recursive: true });
					require("fs").writeFileSync(dir + "/.jsii-runtime-package-cache", "");
					console.log('{"hello":"runtime@9"}\n{"ok":{"types":1}}\n{"ok":{}}')`
			},
			want: "runtime@9 has 2 entries in its package cache, want 1: unsupported package cache",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture()
			test.change(&f)
			p := *program
			if f.runtime != "" || len(f.imports) > 1 {
				other, err := inspect(t.Context(), f.write(t), []string{"."})
				if err != nil {
					t.Fatal(err)
				}
				p = *other
			} else {
				tarball := filepath.Join(t.TempDir(), "provider.tgz")
				writeFile(t, tarball, f.tarball(t))
				p.libraries = []library{{tarball: tarball, modules: f.imports}}
			}
			if err := p.prepare(t.Context(), t.TempDir()); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %q", err, test.want)
			}
		})
	}
}

func TestFailureLeavesNoFiles(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.files[".jsii"] = "{}"
	cache := t.TempDir()
	if root, err := Prepare(t.Context(), f.write(t), cache, "."); err == nil || root != "" {
		t.Errorf("%q %v", root, err)
	}
	equalNames(t, cache)
}

func TestProgramWithoutJsiiIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "go.mod"), "module example.com/plain\n\ngo 1.25\n")
	writeFile(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	if _, err := Prepare(t.Context(), dir, t.TempDir(), "."); err == nil || !strings.Contains(err.Error(), "no jsii runtime") {
		t.Error(err)
	}
	if _, err := Prepare(t.Context(), dir, t.TempDir(), "./elsewhere"); err == nil || !strings.HasPrefix(err.Error(), "go list: exit status 1: ") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}

func TestOtherRuntimeIsAnError(t *testing.T) {
	dir := newFixture().write(t)
	t.Setenv("JSII_RUNTIME", "false")
	if _, err := Prepare(t.Context(), dir, t.TempDir(), "."); err == nil || err.Error() != "JSII_RUNTIME selects another jsii runtime, which is not supported" {
		t.Error(err)
	}
	t.Setenv("JSII_RUNTIME", "")
	t.Setenv("JSII_NODE", "/nowhere/node")
	if _, err := Prepare(t.Context(), dir, t.TempDir(), "."); err == nil || err.Error() != "run the jsii runtime: fork/exec /nowhere/node: no such file or directory" {
		t.Error(err)
	}
}

func TestInterruptionLeavesNoFiles(t *testing.T) {
	t.Parallel()
	dir, cache := newFixture().write(t), t.TempDir()
	program, err := inspect(t.Context(), dir, []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := program.prepare(ctx, cache); err != context.Canceled {
		t.Errorf("prepare: %v", err)
	}
	if _, err := Prepare(ctx, dir, cache, "."); err != context.Canceled {
		t.Errorf("Prepare: %v", err)
	}
	equalNames(t, cache)
}

func TestDirectoryThatCannotBeCreatedIsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	if root, err := Prepare(t.Context(), newFixture().write(t), filepath.Join(file, "cache"), "."); err == nil || root != "" || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("%q %v", root, err)
	}
}

// The disks are mounted in memory in a user namespace, which requires Linux.
func TestDiskThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("user namespaces require Linux")
	}
	if out, err := exec.Command("unshare", "--map-root-user", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("user namespaces are not allowed on this machine: %v: %s", err, out)
	}
	dir := newFixture().write(t)
	for name, test := range map[string]struct{ script, want string }{
		"read-only and empty":    {`mount -t tmpfs -o ro none "$0"; "$@"`, "read-only file system"},
		"read-only and prepared": {`mount -t tmpfs none "$0"; "$@" >/dev/null; mount -o remount,ro "$0"; "$@"`, "read-only file system"},
		"full":                   {`mount -t tmpfs -o size=8k none "$0"; "$@"; status=$?; ls -A "$0"; exit $status`, "no space left on device"},
		"full and damaged":       {`mount -t tmpfs -o size=60k none "$0"; "$@" >/dev/null; rm "$0"/*/*/*/*/*/LICENSE; dd if=/dev/zero of="$0"/full bs=1k 2>/dev/null; "$@"; status=$?; rm "$0"/full; ls -A "$0"; exit $status`, "no space left on device"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			command := newProcess(t, dir, cache, "unshare", "--map-root-user", "--mount", "sh", "-c", test.script, cache)
			var stdout, stderr bytes.Buffer
			command.Stdout, command.Stderr = &stdout, &stderr
			if err := command.Run(); err == nil {
				t.Errorf("no error, stdout: %s", stdout.String())
			}
			if stdout.Len() > 0 {
				t.Errorf("files are left: %s", stdout.String())
			}
			if got := strings.TrimSpace(stderr.String()); !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
				t.Errorf("stderr: %s", got)
			}
		})
	}
}
