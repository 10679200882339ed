package packagecache

import (
	"embed"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestEntryHasImportedModules(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.imports = []string{"queue", "s3bucket"}
	root := prepare(t, f.write(t), t.TempDir())

	entries, err := filepath.Glob(filepath.Join(root, "@example", "provider", "1.2.3", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("entries %v, %v", entries, err)
	}
	files := readTree(t, entries[0])
	want := map[string]string{
		markerFile:                "",
		"LICENSE":                 "MIT",
		"package.json":            `{"main":"lib/lazy-index.js","name":"@example/provider","version":"1.2.3"}`,
		"lib/lazy-index.js":       lazyLine("queue", "queue") + lazyLine("s3Bucket", "s3-bucket"),
		"lib/queue/index.js":      "exports.Queue = class { static tfResourceType = 'x'; };\n",
		"lib/queue/parts/part.js": "exports.part = 1;\n",
		"lib/s3-bucket/index.js":  "exports.S3Bucket = class { static tfResourceType = 'x'; };\n",
	}
	manifest := files[manifestFile]
	delete(files, manifestFile)
	equal(t, "files", files, want)

	var got struct{ Types, Submodules map[string]any }
	if err := json.Unmarshal([]byte(manifest), &got); err != nil {
		t.Fatal(err)
	}
	for what, names := range map[string][]string{
		"@example/provider.queue, @example/provider.s3Bucket":                slices.Sorted(maps.Keys(got.Submodules)),
		"@example/provider.queue.Queue, @example/provider.s3Bucket.S3Bucket": slices.Sorted(maps.Keys(got.Types)),
	} {
		if strings.Join(names, ", ") != what {
			t.Errorf("the manifest has %v, want %s", names, what)
		}
	}
	if strings.Contains(manifest, "documentation") || strings.Contains(manifest, "locationInModule") || !strings.Contains(manifest, `"name":"docs"`) {
		t.Errorf("the manifest has documentation, or lacks another property: %s", manifest)
	}
}

func TestLibraryWithoutLazyIndexHasAllModules(t *testing.T) {
	t.Parallel()
	f := newFixture()
	delete(f.files, lazyIndex)
	f.files[zipFile] = "\"use strict\";\n" + zipImport + "\n"
	root := prepare(t, f.write(t), t.TempDir())

	entries, _ := filepath.Glob(filepath.Join(root, "@example", "provider", "1.2.3", "*"))
	files := readTree(t, entries[0])
	for _, name := range []string{eagerIndex, "lib/table/index.js", "lib/private/tsconfig.cfg"} {
		if files[name] != f.files[name] {
			t.Errorf("%s: %q", name, files[name])
		}
	}
	if got, want := files[zipFile], "\"use strict\";\n"+lazyZipImport+"\n"; got != want {
		t.Errorf("%s: %q, want %q", zipFile, got, want)
	}
	if !strings.Contains(files[manifestFile], "table.Table") || strings.Contains(files[manifestFile], "documentation") {
		t.Errorf("the manifest is %s", files[manifestFile])
	}
}

func TestSameInputsGiveTheSameFiles(t *testing.T) {
	t.Parallel()
	one, other := prepare(t, newFixture().write(t), t.TempDir()), prepare(t, newFixture().write(t), t.TempDir())
	if filepath.Base(one) != filepath.Base(other) {
		t.Errorf("keys %s and %s", one, other)
	}
	equal(t, "files", readTree(t, one), readTree(t, other))
}

func TestEveryInputIsPartOfTheKey(t *testing.T) {
	t.Parallel()
	keyOf := func(f fixture) string {
		key, err := Key(t.Context(), f.write(t), ".")
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	keys := map[string]string{"no change": keyOf(newFixture())}
	for what, change := range map[string]func(*fixture){
		"additional import":  func(f *fixture) { f.imports = append(f.imports, "table") },
		"other import":       func(f *fixture) { f.imports = []string{"table"} },
		"library":            func(f *fixture) { f.files["LICENSE"] = "MPL-2.0" },
		"jsii runtime":       func(f *fixture) { f.runtime = "// one" },
		"other jsii runtime": func(f *fixture) { f.runtime = "// two" },
	} {
		f := newFixture()
		change(&f)
		keys[what] = keyOf(f)
	}
	seen := map[string]string{}
	for what, key := range keys {
		if other, found := seen[key]; found {
			t.Errorf("%s and %s have the same key %s", what, other, key)
		}
		seen[key] = what
	}
	if keyOf(newFixture()) != keys["no change"] {
		t.Error("the same program has two keys")
	}
}

func TestImportsOfTestsAreIncluded(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.imports = []string{"queue", "table"}
	dir := f.write(t)
	writeFile(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	for name, module := range map[string]string{"inside": "queue", "outside": "table"} {
		writeFile(t, filepath.Join(dir, name, "main.go"), "package "+name+"\n")
		writeFile(t, filepath.Join(dir, name, "main_test.go"), "package "+name+map[string]string{"outside": "_test"}[name]+
			"\n\nimport _ \"example.com/program/provider/"+module+"\"\n")
	}
	program, err := inspect(t.Context(), dir, []string{"./inside", "./outside"})
	if err != nil {
		t.Fatal(err)
	}
	if len(program.libraries) != 1 {
		t.Fatalf("%d libraries, want 1", len(program.libraries))
	}
	equal(t, "modules", program.libraries[0].modules, []string{"queue", "table"})
}

func TestSourceOfThePackageIsPartOfTheKey(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if content, err := source.ReadFile(file); err != nil || string(content) != readFile(t, file) {
			t.Errorf("%s is not embedded as it is: %v", file, err)
		}
	}

	embedded, key := source, new(program).key()
	defer func() { source = embedded }()
	if source = (embed.FS{}); new(program).key() == key {
		t.Error("the key is the same without the source")
	}
}

func TestSourceWithoutTestsIsHashed(t *testing.T) {
	sum := func(source fstest.MapFS) string {
		var out strings.Builder
		hashSource(&out, source)
		return out.String()
	}
	file := func(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }
	before := sum(fstest.MapFS{"one.go": file("1")})
	for what, test := range map[string]struct {
		source fstest.MapFS
		same   bool
	}{
		"another file":    {fstest.MapFS{"one.go": file("1"), "two.go": file("")}, false},
		"another content": {fstest.MapFS{"one.go": file("2")}, false},
		"another name":    {fstest.MapFS{"two.go": file("1")}, false},
		"another test":    {fstest.MapFS{"one.go": file("1"), "one_test.go": file("2")}, true},
	} {
		if same := sum(test.source) == before; same != test.same {
			t.Errorf("%s: same hash %t, want %t", what, same, test.same)
		}
	}
}

func TestAdditionalImportIsAnotherDirectory(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	f := newFixture()
	before := prepare(t, f.write(t), cache)
	f.imports = append(f.imports, "table")
	after := prepare(t, f.write(t), cache)
	if before == after {
		t.Fatalf("both are %s", before)
	}
	for root, want := range map[string]int{before: 0, after: 1} {
		if found, _ := filepath.Glob(filepath.Join(root, "@example", "provider", "*", "*", "lib", "table", "index.js")); len(found) != want {
			t.Errorf("%s has %d modules table, want %d", root, len(found), want)
		}
	}
}

func TestExistingDirectoryIsReused(t *testing.T) {
	t.Parallel()
	dir, cache := newFixture().write(t), t.TempDir()
	root := prepare(t, dir, cache)
	before, err := os.Stat(filepath.Join(root, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-30 * 24 * time.Hour)
	markers, _ := filepath.Glob(filepath.Join(root, "@example", "provider", "*", "*", markerFile))
	for _, file := range append(markers, filepath.Join(root, sumsFile)) {
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if again := prepare(t, dir, cache); again != root {
		t.Errorf("%s, then %s", root, again)
	}
	after, err := os.Stat(filepath.Join(root, sumsFile))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the directory was prepared again: %v", err)
	}
	for _, file := range append(markers, filepath.Join(root, sumsFile)) {
		if used, err := os.Stat(file); err != nil || time.Since(used.ModTime()) > time.Hour {
			t.Errorf("the modification time of %s is not that of the last use: %v", file, err)
		}
	}
}

func TestDamagedDirectoryIsReplaced(t *testing.T) {
	t.Parallel()
	dir := newFixture().write(t)
	intact := prepare(t, dir, t.TempDir())
	want := readTree(t, intact)
	for name, damage := range map[string]func(t *testing.T, root, entry string){
		"changed byte": func(t *testing.T, root, entry string) {
			file := filepath.Join(entry, "lib", "queue", "index.js")
			writeFile(t, file, strings.Replace(readFile(t, file), "Queue", "Quaue", 1))
		},
		"empty file": func(t *testing.T, root, entry string) { writeFile(t, filepath.Join(entry, manifestFile), "") },
		"missing file": func(t *testing.T, root, entry string) {
			removeFile(t, filepath.Join(entry, "lib", "queue", "index.js"))
		},
		"missing marker":    func(t *testing.T, root, entry string) { removeFile(t, filepath.Join(entry, markerFile)) },
		"missing checksums": func(t *testing.T, root, entry string) { removeFile(t, filepath.Join(root, sumsFile)) },
		"empty checksums":   func(t *testing.T, root, entry string) { writeFile(t, filepath.Join(root, sumsFile), "") },
		"added file that shadows a directory": func(t *testing.T, root, entry string) {
			writeFile(t, filepath.Join(entry, "lib", "queue.js"), "throw new Error('not listed');\n")
		},
		"added file next to the entries": func(t *testing.T, root, entry string) { writeFile(t, filepath.Join(root, "x"), "") },
		"added entry": func(t *testing.T, root, entry string) {
			writeFile(t, filepath.Join(root, "other", "1.0.0", strings.Repeat("0", 64), markerFile), "")
		},
		"added link": func(t *testing.T, root, entry string) {
			symlink(t, filepath.Join(entry, "lib", "queue", "index.js"), filepath.Join(entry, "lib", "queue.js"))
		},
		"link instead of a file": func(t *testing.T, root, entry string) {
			file, moved := filepath.Join(entry, "lib", "queue", "index.js"), filepath.Join(t.TempDir(), "index.js")
			writeFile(t, moved, readFile(t, file))
			removeFile(t, file)
			symlink(t, moved, file)
		},
		"link instead of a directory": func(t *testing.T, root, entry string) {
			moved := filepath.Join(t.TempDir(), "queue")
			if err := os.Rename(filepath.Join(entry, "lib", "queue"), moved); err != nil {
				t.Fatal(err)
			}
			symlink(t, moved, filepath.Join(entry, "lib", "queue"))
		},
		"directory instead of a file": func(t *testing.T, root, entry string) {
			removeFile(t, filepath.Join(entry, "LICENSE"))
			writeFile(t, filepath.Join(entry, "LICENSE", "file"), "")
		},
		"file instead of a directory": func(t *testing.T, root, entry string) {
			removeAll(t, filepath.Join(entry, "lib"))
			writeFile(t, filepath.Join(entry, "lib"), "")
		},
		"file instead of everything": func(t *testing.T, root, entry string) {
			removeAll(t, root)
			writeFile(t, root, "")
		},
		"zeros in the checksums": func(t *testing.T, root, entry string) {
			file := filepath.Join(root, sumsFile)
			writeFile(t, file, readFile(t, file)[:70]+strings.Repeat("\x00", 1000))
		},
		"missing file and checksum": func(t *testing.T, root, entry string) {
			file := filepath.Join(root, sumsFile)
			first, rest, _ := strings.Cut(readFile(t, file), "\n")
			_, name, _ := strings.Cut(first, "  ")
			writeFile(t, file, rest)
			removeFile(t, filepath.Join(root, name))
		},
		"truncated checksums": func(t *testing.T, root, entry string) {
			file := filepath.Join(root, sumsFile)
			writeFile(t, file, readFile(t, file)[:100])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			root := filepath.Join(cache, filepath.Base(intact))
			if err := os.CopyFS(root, os.DirFS(intact)); err != nil {
				t.Fatal(err)
			}
			entries, _ := filepath.Glob(filepath.Join(root, "@example", "provider", "*", "*"))
			damage(t, root, entries[0])
			if again := prepare(t, dir, cache); again != root {
				t.Errorf("%s, then %s", root, again)
			}
			equal(t, "files", readTree(t, root), want)
			equalNames(t, cache, filepath.Base(root))
		})
	}
}

func TestOnlyDirectoriesOfThisPackageAreRemoved(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	f := newFixture()
	unused := prepare(t, f.write(t), cache)
	f.imports = []string{"table"}
	recent := prepare(t, f.write(t), cache)

	stages := map[string]time.Duration{"old": 2 * stagingAge, "new": 0}
	old := time.Now().Add(-2 * unusedAge)
	for name, age := range stages {
		stage := filepath.Join(cache, stagingPrefix+name)
		writeFile(t, filepath.Join(stage, "half"), "")
		if err := os.Chtimes(stage, time.Now().Add(-age), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(cache, "cdktf", "0.21.0", markerFile), "") // an entry of the kernel
	writeFile(t, filepath.Join(cache, "notes"), "")
	for _, file := range []string{filepath.Join(unused, sumsFile), filepath.Join(cache, "cdktf"), filepath.Join(cache, "notes")} {
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}

	f.imports = []string{"s3bucket"}
	root := prepare(t, f.write(t), cache)
	equalNames(t, cache, filepath.Base(recent), filepath.Base(root), stagingPrefix+"new", "cdktf", "notes")
}

func removeFile(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func removeAll(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

// equalNames fails the test if the names of the files in dir are not want.
func equalNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range files {
		got = append(got, file.Name())
	}
	slices.Sort(want)
	equal(t, "files in "+dir, got, want)
}

func TestUseLeavesAnotherPackageCacheUnchanged(t *testing.T) {
	f := newFixture()
	dir, cache := f.write(t), t.TempDir()
	use := func() string {
		if err := Use(t.Context(), dir, cache, "."); err != nil {
			t.Fatal(err)
		}
		return os.Getenv(Variable)
	}
	another := t.TempDir()
	t.Setenv(Variable, another)
	if got := use(); got != another {
		t.Errorf("%s is %s, want %s", Variable, got, another)
	}
	f.imports = []string{"table"}
	t.Setenv(Variable, prepare(t, f.write(t), cache)) // for other imports
	if got, want := use(), prepare(t, dir, cache); got != want {
		t.Errorf("%s is %s, want %s", Variable, got, want)
	}
	f.files[".jsii"] = ""
	if err := Use(t.Context(), f.write(t), cache, "."); err == nil || os.Getenv(Variable) != "" {
		t.Errorf("error %v, %s is %q; want an error and no value", err, Variable, os.Getenv(Variable))
	}
}
