package packagecache

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// fixture is a Go program on a small prebuilt provider, "@example/provider", and on the real jsii runtime.
type fixture struct {
	version string
	imports []string // Go packages of the provider
	files   map[string]string
	runtime string // replaces the script that starts the jsii runtime
}

func newFixture() fixture {
	f := fixture{version: "1.2.3", imports: []string{"queue"}, files: map[string]string{
		"package.json":             `{"name": "@example/provider", "version": "1.2.3", "main": "lib/index.js"}`,
		"LICENSE":                  "MIT",
		"README.md":                "documentation",
		"lib/index.js":             "exports.queue = require('./queue'); exports.s3Bucket = require('./s3-bucket'); exports.table = require('./table');\n",
		"lib/index.d.ts":           "export {}",
		"lib/queue/index.js":       "exports.Queue = class { static tfResourceType = 'x'; };\n//# sourceMappingURL=data:application/json;base64,e30=\n",
		"lib/queue/index.d.ts":     "export {}",
		"lib/queue/parts/part.js":  "exports.part = 1;\n",
		"lib/s3-bucket/index.js":   "exports.S3Bucket = class { static tfResourceType = 'x'; };\n",
		"lib/table/index.js":       "exports.Table = class { static tfResourceType = 'x'; };\n",
		"lib/lazy-index.js":        lazyLine("queue", "queue") + lazyLine("s3Bucket", "s3-bucket") + lazyLine("table", "table"),
		"lib/queue/index.js.map":   "{}",
		"lib/private/tsconfig.cfg": "{}",
	}}
	f.files[".jsii"] = manifestOf("@example/provider", "1.2.3", map[string]string{
		"queue.Queue": "", "s3Bucket.S3Bucket": "", "table.Table": "",
	})
	return f
}

// rename gives the provider another name and version.
func (f *fixture) rename(name, version string) {
	content, _ := json.Marshal(map[string]string{"name": name, "version": version, "main": eagerIndex}) // of strings
	f.files["package.json"] = string(content)
	f.files[".jsii"] = manifestOf(name, version, map[string]string{"queue.Queue": ""})
}

func lazyLine(export, dir string) string {
	return fmt.Sprintf("Object.defineProperty(exports, '%s', { get: function () { return require('./%s'); } });\n", export, dir)
}

// manifestOf returns a manifest with classes. Each key is a class, and its value is the base class or empty.
func manifestOf(name, version string, classes map[string]string) string {
	types, submodules := map[string]any{}, map[string]any{}
	for class, base := range classes {
		module, short, _ := strings.Cut(class, ".")
		submodules[name+"."+module] = map[string]any{"readme": map[string]any{"markdown": "documentation"}, "symbolId": "src/" + module}
		class := map[string]any{
			"assembly": name, "fqn": name + "." + class, "kind": "class", "name": short, "namespace": module,
			"docs":             map[string]any{"summary": "documentation"},
			"locationInModule": map[string]any{"filename": "src/index.ts", "line": 7},
			"properties": []any{
				map[string]any{"name": "docs", "docs": map[string]any{"summary": "documentation"}, "type": map[string]any{"primitive": "string"}},
				map[string]any{"name": "tfResourceType", "static": true, "const": true, "immutable": true, "type": map[string]any{"primitive": "string"}},
			},
		}
		if base != "" {
			class["base"] = name + "." + base
		}
		types[class["fqn"].(string)] = class
	}
	content, _ := json.Marshal(map[string]any{
		"schema": manifestSchema, "name": name, "version": version, "jsiiVersion": "5.6.0", "fingerprint": "x",
		"readme": map[string]any{"markdown": "documentation"}, "submodules": submodules, "types": types,
	})
	return string(content)
}

// write writes the program into a temporary directory and returns that. The requirements in its go.mod, among them the jsii
// runtime, are those of bench/resources, which is a module of its own so that this one requires nothing.
func (f fixture) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	_, requirements, _ := strings.Cut(readFile(t, "bench/resources/go.mod"), "\n")
	gomod := "module example.com/program\n" + requirements
	if f.runtime != "" {
		gomod += "\nreplace github.com/aws/jsii-runtime-go => ./runtime\n"
		writeFile(t, filepath.Join(dir, "runtime", "go.mod"), "module github.com/aws/jsii-runtime-go\n\ngo 1.23\n")
		writeFile(t, filepath.Join(dir, "runtime", "runtime", "runtime.go"), "package runtime\n\nimport _ \"github.com/aws/jsii-runtime-go/internal/embedded\"\n")
		embedded := filepath.Join(dir, "runtime", "internal", "embedded")
		writeFile(t, filepath.Join(embedded, "embedded.go"), "package embedded\n\nimport \"embed\"\n\n//go:embed resources\nvar _ embed.FS\n")
		writeFile(t, filepath.Join(embedded, filepath.FromSlash(runtimeFile)), f.runtime)
	}
	writeFile(t, filepath.Join(dir, "go.mod"), gomod)
	writeFile(t, filepath.Join(dir, "go.sum"), readFile(t, "bench/resources/go.sum"))

	const module = "example.com/program/provider"
	program := "package main\n\nimport (\n"
	for _, name := range f.imports {
		program += fmt.Sprintf("\t_ %q\n", path.Join(module, name))
		writeFile(t, filepath.Join(dir, "provider", name, "main.go"), fmt.Sprintf("package lib\n\nimport _ %q\n", module+"/jsii"))
	}
	writeFile(t, filepath.Join(dir, "main.go"), program+")\n\nfunc main() {}\n")
	writeFile(t, filepath.Join(dir, "provider", "jsii", "jsii.go"),
		"package jsii\n\nimport (\n\t_ \"embed\"\n\n\t_ \"github.com/aws/jsii-runtime-go/runtime\"\n)\n\n//go:embed provider.tgz\nvar tarball []byte\n")
	writeFile(t, filepath.Join(dir, "provider", "jsii", "provider.tgz"), f.tarball(t))
	return dir
}

func (f fixture) tarball(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		if err := archive.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(f.files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(f.files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// prepare calls Prepare and fails the test on an error.
func prepare(t *testing.T, dir, cache string) string {
	t.Helper()
	root, err := Prepare(t.Context(), dir, cache, ".")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// readTree returns the contents of all files below dir, by path.
func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, file fs.DirEntry, err error) error {
		if err == nil && !file.IsDir() {
			name, _ := filepath.Rel(dir, path)
			files[filepath.ToSlash(name)] = readFile(t, path)
			if !file.Type().IsRegular() {
				files[filepath.ToSlash(name)] = "not a regular file"
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files
}

// equal fails the test if got is not want.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
