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

// TestMain lets a test run Root in a process of its own, by the variables dir and cache.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PACKAGECACHE_TEST_DIR"); dir != "" {
		root, err := Root(context.Background(), dir, os.Getenv("PACKAGECACHE_TEST_CACHE"), ".")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(root)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is Root in a process of its own.
func process(t *testing.T, dir, cache string, before ...string) *exec.Cmd {
	t.Helper()
	args := append(before, os.Args[0])
	command := exec.CommandContext(t.Context(), args[0], args[1:]...)
	command.Env = append(os.Environ(), "PACKAGECACHE_TEST_DIR="+dir, "PACKAGECACHE_TEST_CACHE="+cache)
	return command
}

func TestSeveralProcessesPrepareAtOnce(t *testing.T) {
	t.Parallel()
	dir, cache := newFixture().write(t), t.TempDir()
	var outs [4]string
	var all sync.WaitGroup
	for i := range outs {
		command := process(t, dir, cache)
		all.Go(func() {
			out, err := command.CombinedOutput()
			if outs[i] = strings.TrimSpace(string(out)); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	for _, root := range outs {
		if root != outs[0] {
			t.Errorf("roots %s and %s", outs[0], root)
		}
	}
	if err := check(outs[0]); err != nil {
		t.Error(err)
	}
	onlyThere(t, cache, filepath.Base(outs[0]))
}

func TestAProcessThatIsKilledLeavesNothingThatIsTaken(t *testing.T) {
	t.Parallel()
	dir, cache := newFixture().write(t), t.TempDir()
	command := process(t, dir, cache)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stages := func() []string {
		found, _ := filepath.Glob(filepath.Join(cache, staging+"*", "@example", "provider", "*", "*", marker))
		return found
	}
	for deadline := time.Now().Add(time.Minute); len(stages()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is being prepared")
		}
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil || len(stages()) != 1 {
		t.Fatalf("it was not killed midway: %v, %v", err, stages())
	}

	root := prepared(t, dir, cache)
	if err := check(root); err != nil {
		t.Error(err)
	}
}

func TestALayoutThatIsNotKnownIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	program, err := inspect(t.Context(), newFixture().write(t), []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*fixture)
		want   string
	}{
		"a manifest of another schema": {
			change: func(f *fixture) { f.files[".jsii"] = strings.Replace(f.files[".jsii"], manifestSchema, "jsii/1.0", 1) },
			want:   "provider.tgz: .jsii: schema jsii/1.0, name @example/provider, 1 types; not schema jsii/0.10.0, name @example/provider: this layout is not known",
		},
		"a compressed manifest": {
			change: func(f *fixture) {
				f.files[".jsii"] = `{"schema": "jsii/file-redirect", "compression": "gzip", "filename": ".jsii.gz"}`
			},
			want: "provider.tgz: .jsii: schema jsii/file-redirect, name <nil>, 0 types; not schema jsii/0.10.0, name @example/provider: this layout is not known",
		},
		"no manifest": {
			change: func(f *fixture) { delete(f.files, ".jsii") },
			want:   "provider.tgz: .jsii: EOF",
		},
		"half a manifest": {
			change: func(f *fixture) { f.files[".jsii"] = f.files[".jsii"][:200] },
			want:   "provider.tgz: .jsii: unexpected EOF",
		},
		"a manifest that is a list": {
			change: func(f *fixture) { f.files[".jsii"] = "[]" },
			want:   "provider.tgz: .jsii: [ where an object begins: this layout is not known",
		},
		"another main": {
			change: func(f *fixture) { f.files["package.json"] = `{"name": "@example/provider", "main": "dist/index.mjs"}` },
			want:   "provider.tgz: package.json: main is dist/index.mjs, not lib/index.js: this layout is not known",
		},
		"a lazy index in another form": {
			change: func(f *fixture) { f.files[lazyIndex] = "exports.queue = lazily(() => import('./queue'));\n" },
			want:   "provider.tgz: lib/lazy-index.js: there is no module for the Go package \"queue\": this layout is not known",
		},
		"a module that has another file": {
			change: func(f *fixture) { delete(f.files, "lib/queue/index.js") },
			want:   "provider.tgz: lib/queue/index.js is missing: this layout is not known",
		},
		"a module that uses another": {
			change: func(f *fixture) {
				f.files[".jsii"] = manifestOf("@example/provider", "1.2.3", map[string]string{"queue.Queue": "table.Table", "table.Table": ""})
			},
			want: "provider.tgz: .jsii: a type that is imported uses @example/provider.table.Table, which is not: this layout is not known",
		},
		"a module that implements another's interface": {
			change: func(f *fixture) {
				f.files[".jsii"] = strings.Replace(f.files[".jsii"], `"fqn":"@example/provider.queue.Queue"`, `"fqn":"@example/provider.queue.Queue","interfaces":["@example/provider.table.Table"]`, 1)
			},
			want: "provider.tgz: .jsii: a type that is imported uses @example/provider.table.Table, which is not: this layout is not known",
		},
		"a module with a property of another": {
			change: func(f *fixture) {
				f.files[".jsii"] = strings.Replace(f.files[".jsii"], `{"primitive":"string"}`, `{"fqn":"@example/provider.table.Table"}`, 1)
			},
			want: "provider.tgz: .jsii: a type that is imported uses @example/provider.table.Table, which is not: this layout is not known",
		},
		"a module that loads another": {
			change: func(f *fixture) { f.files["lib/queue/index.js"] = "exports.Queue = require('../table').Table;\n" },
			want:   "@jsii/runtime@1.112.0 cannot load @example/provider.queue.Queue: Cannot find module '../table': this layout is not known",
		},
		"types outside of the modules": {
			change: func(f *fixture) { f.imports = append(f.imports, "") },
			want:   `provider.tgz: lib/lazy-index.js: there is no module for the Go package "": this layout is not known`,
		},
		"a file outside of the package": {
			change: func(f *fixture) { f.files["../../outside"] = "" },
			want:   "provider.tgz: package/../../outside lies outside of the package",
		},
		"a library that does not load": {
			change: func(f *fixture) { f.files[lazyIndex] = "throw new Error('no');\n" + f.files[lazyIndex] },
			want:   "@jsii/runtime@1.112.0 cannot load @example/provider: no: this layout is not known",
		},
		"a runtime that is not there": {
			change: func(f *fixture) { f.runtime = " " },
			want:   "the jsii runtime does not greet: EOF",
		},
		"a runtime that fails": {
			change: func(f *fixture) { f.runtime = "console.error('too old'); process.exit(3)" },
			want:   "the jsii runtime does not run: exit status 3: too old",
		},
		"a runtime that reads another cache": {
			change: func(f *fixture) {
				f.runtime = `console.log('{"hello":"runtime@9"}\n{"ok":{"types":23208}}\n{"ok":{}}')`
			},
			want: "runtime@9 finds 23208 types in @example/provider where there are 1: its package cache is not known",
		},
		"a runtime that makes entries of its own": {
			change: func(f *fixture) {
				f.runtime = `const folder = process.env.JSII_RUNTIME_PACKAGE_CACHE_ROOT + "/v2/@example";
					require("fs").mkdirSync(folder, { recursive: true });
					require("fs").writeFileSync(folder + "/.jsii-runtime-package-cache", "");
					console.log('{"hello":"runtime@9"}\n{"ok":{"types":1}}\n{"ok":{}}')`
			},
			want: "runtime@9 made 2 entries where there were 1: its package cache is not known",
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

func TestWhatCannotBePreparedLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.files[".jsii"] = "{}"
	cache := t.TempDir()
	if root, err := Root(t.Context(), f.write(t), cache, "."); err == nil || root != "" {
		t.Errorf("%q %v", root, err)
	}
	onlyThere(t, cache)
}

func TestAProgramWithoutJsiiIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "go.mod"), "module example.com/plain\n\ngo 1.26\n")
	writeFile(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	if _, err := Root(t.Context(), dir, t.TempDir(), "."); err == nil || !strings.Contains(err.Error(), "no jsii runtime") {
		t.Error(err)
	}
	if _, err := Root(t.Context(), dir, t.TempDir(), "./elsewhere"); err == nil || !strings.HasPrefix(err.Error(), "go list: exit status 1: ") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}

func TestAnotherRuntimeIsSaid(t *testing.T) {
	dir := newFixture().write(t)
	t.Setenv("JSII_RUNTIME", "false")
	if _, err := Root(t.Context(), dir, t.TempDir(), "."); err == nil || err.Error() != "JSII_RUNTIME names another jsii runtime: it is not known" {
		t.Error(err)
	}
	t.Setenv("JSII_RUNTIME", "")
	t.Setenv("JSII_NODE", "/nowhere/node")
	if _, err := Root(t.Context(), dir, t.TempDir(), "."); err == nil || err.Error() != "the jsii runtime does not run: fork/exec /nowhere/node: no such file or directory" {
		t.Error(err)
	}
}

func TestAnInterruptedPreparationLeavesNothing(t *testing.T) {
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
	if _, err := Root(ctx, dir, cache, "."); err != context.Canceled {
		t.Errorf("Root: %v", err)
	}
	onlyThere(t, cache)
}

func TestAFolderThatCannotBeMadeIsSaid(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	if root, err := Root(t.Context(), newFixture().write(t), filepath.Join(file, "cache"), "."); err == nil || root != "" || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("%q %v", root, err)
	}
}

// The disks are real ones in memory, mounted for the process alone; that takes Linux and its user namespaces.
func TestADiskThatTakesNothingIsSaidAndLeftClean(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("mounts a disk in memory, which takes Linux")
	}
	if out, err := exec.Command("unshare", "--map-root-user", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("this machine does not let a user mount a disk in memory: %v: %s", err, out)
	}
	dir := newFixture().write(t)
	for name, test := range map[string]struct{ script, want string }{
		"read-only, and empty":          {`mount -t tmpfs -o ro none "$0"; "$@"`, "read-only file system"},
		"read-only, and prepared":       {`mount -t tmpfs none "$0"; "$@" >/dev/null; mount -o remount,ro "$0"; "$@"`, "read-only file system"},
		"full":                          {`mount -t tmpfs -o size=8k none "$0"; "$@"; status=$?; ls -A "$0"; exit $status`, "no space left on device"},
		"full, and damaged by somebody": {`mount -t tmpfs -o size=60k none "$0"; "$@" >/dev/null; rm "$0"/*/*/*/*/*/LICENSE; dd if=/dev/zero of="$0"/full bs=1k 2>/dev/null; "$@"; status=$?; rm "$0"/full; ls -A "$0"; exit $status`, "no space left on device"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			command := process(t, dir, cache, "unshare", "--map-root-user", "--mount", "sh", "-c", test.script, cache)
			var out, complaint bytes.Buffer
			command.Stdout, command.Stderr = &out, &complaint
			if err := command.Run(); err == nil {
				t.Errorf("it went well: %s", out.String())
			}
			if out.Len() > 0 {
				t.Errorf("left: %s", out.String())
			}
			if said := strings.TrimSpace(complaint.String()); !strings.Contains(said, test.want) || strings.Contains(said, "\n") {
				t.Errorf("stderr: %s", said)
			}
		})
	}
}
