package packagecache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The two indexes of a prebuilt provider. Its main is the eager one.
const (
	eagerIndex = "lib/index.js"      // loads every module at once
	lazyIndex  = "lib/lazy-index.js" // loads a module when it is used
)

// lazyExport is a line of the lazy index:
//
//	Object.defineProperty(exports, 's3Bucket', { get: function () { return require('./s3-bucket'); } });
var lazyExport = regexp.MustCompile(`^Object\.defineProperty\(exports, '(\w+)', \{ get: function \(\) \{ return require\('\./([\w-]+)'\); \} \}\);\n$`)

// modules are those of a prebuilt provider that a program imports. Of another library there are no modules, but nil,
// and nothing is left out.
type modules struct {
	exports map[string]bool // "s3Bucket", in the index and in the manifest
	folders map[string]bool // "s3-bucket", in lib
	index   []byte          // the lazy index, without the other modules
}

// findModules looks the imported Go packages up in the lazy index. The Go package of the module s3Bucket is s3bucket.
func (l library) findModules(index []byte) (*modules, error) {
	if index == nil {
		return nil, nil
	}
	m := &modules{exports: map[string]bool{}, folders: map[string]bool{}}
	var found []string
	for line := range bytes.Lines(withoutSourceMap(index)) {
		match := lazyExport.FindSubmatch(line)
		if match != nil {
			export, folder := string(match[1]), string(match[2])
			name := strings.ToLower(export)
			if !slices.Contains(l.modules, name) {
				continue
			}
			found = append(found, name)
			m.exports[export], m.folders[folder] = true, true
		}
		m.index = append(m.index, line...)
	}
	for _, name := range l.modules {
		if !slices.Contains(found, name) {
			return nil, fmt.Errorf("there is no module for the Go package %q: this layout is not known", name)
		}
	}
	return m, nil
}

func (m *modules) hasExport(name string) bool {
	return m == nil || m.exports[name]
}

// needs tells whether Node.js may read a file.
func (m *modules) needs(file string) bool {
	for _, suffix := range []string{".d.ts", ".d.mts", ".d.cts", ".map", ".md", ".tsbuildinfo"} {
		if strings.HasSuffix(file, suffix) {
			return false
		}
	}
	module, found := strings.CutPrefix(file, "lib/")
	if m == nil || !found {
		return file != manifestFile
	}
	folder, _, inside := strings.Cut(module, "/")
	return inside && m.folders[folder]
}

// startLazily makes the lazy index the main of a package.
func (m *modules) startLazily(files map[string][]byte, description map[string]any) (err error) {
	if m == nil {
		return nil
	}
	if description["main"] != eagerIndex {
		return fmt.Errorf("%s: main is %v, not %s: this layout is not known", descriptionFile, description["main"], eagerIndex)
	}
	for folder := range m.folders {
		if file := "lib/" + folder + "/index.js"; files[file] == nil {
			return fmt.Errorf("%s is missing: this layout is not known", file)
		}
	}
	files[lazyIndex] = m.index
	description["main"] = lazyIndex
	files[descriptionFile], err = json.Marshal(description)
	return err
}
