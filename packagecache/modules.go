package packagecache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The two indexes of a prebuilt provider. The main of its package.json is the eager one.
const (
	eagerIndex = "lib/index.js"      // loads all modules
	lazyIndex  = "lib/lazy-index.js" // loads a module on first use
)

// lazyExport matches a line of the lazy index:
//
//	Object.defineProperty(exports, 's3Bucket', { get: function () { return require('./s3-bucket'); } });
var lazyExport = regexp.MustCompile(`^Object\.defineProperty\(exports, '(\w+)', \{ get: function \(\) \{ return require\('\./([\w-]+)'\); \} \}\);\n$`)

// modules holds the modules of a prebuilt provider that a program imports. It is nil for any other library, of which all modules
// are needed.
type modules struct {
	exports map[string]bool // names in the index and in the manifest, such as "s3Bucket"
	dirs    map[string]bool // directories in lib, such as "s3-bucket"
	index   []byte          // the lazy index without the other modules
}

// findModules finds the modules of the imported Go packages in the lazy index. The Go package of module s3Bucket is s3bucket.
func (l library) findModules(index []byte) (*modules, error) {
	if index == nil {
		return nil, nil
	}
	m := &modules{exports: map[string]bool{}, dirs: map[string]bool{}}
	var found []string
	for line := range bytes.Lines(trimSourceMap(index)) {
		match := lazyExport.FindSubmatch(line)
		if match != nil {
			export, dir := string(match[1]), string(match[2])
			name := strings.ToLower(export)
			if !slices.Contains(l.modules, name) {
				continue
			}
			found = append(found, name)
			m.exports[export], m.dirs[dir] = true, true
		}
		m.index = append(m.index, line...)
	}
	for _, name := range l.modules {
		if !slices.Contains(found, name) {
			return nil, fmt.Errorf("no module for the Go package %q: unsupported layout", name)
		}
	}
	return m, nil
}

func (m *modules) hasExport(name string) bool {
	return m == nil || m.exports[name]
}

// isNeeded reports whether Node.js can read a file of the library.
func (m *modules) isNeeded(file string) bool {
	for _, suffix := range []string{".d.ts", ".d.mts", ".d.cts", ".map", ".md", ".tsbuildinfo"} {
		if strings.HasSuffix(file, suffix) {
			return false
		}
	}
	module, found := strings.CutPrefix(file, "lib/")
	if m == nil || !found {
		return file != manifestFile
	}
	dir, _, inside := strings.Cut(module, "/")
	return inside && m.dirs[dir]
}

// useLazyIndex adds the lazy index to the files and makes it the main of the package.
func (m *modules) useLazyIndex(files map[string][]byte, packageJSON map[string]any) (err error) {
	if m == nil {
		return nil
	}
	if packageJSON["main"] != eagerIndex {
		return fmt.Errorf("%s: main is %v, want %s: unsupported layout", packageFile, packageJSON["main"], eagerIndex)
	}
	for dir := range m.dirs {
		if file := "lib/" + dir + "/index.js"; files[file] == nil {
			return fmt.Errorf("no %s: unsupported layout", file)
		}
	}
	files[lazyIndex] = m.index
	packageJSON["main"] = lazyIndex
	files[packageFile], err = json.Marshal(packageJSON)
	return err
}
