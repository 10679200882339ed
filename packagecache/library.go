package packagecache

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	packageFile = "package.json"
	markerFile  = ".jsii-runtime-package-cache" // marks an entry as complete for the kernel
)

// entry is a library in a package cache.
type entry struct {
	name, version string
	tarball       string
	types         int              // in its manifest
	statics       []staticProperty // one of each module: reading it loads the module
}

// unpack writes the entry of the library into the package cache root. For a prebuilt provider, which is recognized by its lazy
// index, the entry has the imported modules; for any other library, all modules. Files that Node.js does not run are left out.
func (l library) unpack(ctx context.Context, root string) (*entry, error) {
	archive, err := gunzip(ctx, l.tarball)
	if err != nil {
		return nil, err
	}
	files, err := readArchive(archive, func(file string) bool {
		return file == packageFile || file == manifestFile || file == lazyIndex
	})
	if err != nil {
		return nil, err
	}
	var packageJSON map[string]any
	if err := json.Unmarshal(files[packageFile], &packageJSON); err != nil {
		return nil, fmt.Errorf("%s: %w", packageFile, err)
	}
	e := &entry{tarball: l.tarball}
	e.name, _ = packageJSON["name"].(string)
	e.version, _ = packageJSON["version"].(string)

	imported, err := l.findModules(files[lazyIndex])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", lazyIndex, err)
	}
	manifest, err := slimManifest(ctx, files[manifestFile], e.name, imported.hasExport)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	e.types = manifest.types
	if imported != nil {
		e.statics = manifest.statics
	}

	if files, err = readArchive(archive, imported.isNeeded); err != nil {
		return nil, err
	}
	if err := imported.useLazyIndex(files, packageJSON); err != nil {
		return nil, err
	}
	for name, content := range files {
		if path.Ext(name) == ".js" {
			files[name] = trimSourceMap(content)
		}
	}
	if content, found := files[zipFile]; found {
		files[zipFile] = bytes.Replace(content, []byte(zipImport), []byte(lazyZipImport), 1)
	}
	files[manifestFile] = manifest.json
	files[markerFile] = nil

	dir, err := e.dir()
	if err != nil {
		return nil, err
	}
	return e, writeFiles(filepath.Join(root, dir), files)
}

// The library cdktf imports a zip library, which takes a third of its start, for assets that few stacks have. The replacement
// imports it on the first call. A version without this line stays unchanged.
const (
	zipFile       = "lib/private/fs.js"
	zipImport     = `const archiver = require("archiver");`
	lazyZipImport = `const archiver = (...options) => require("archiver")(...options);`
)

// trimSourceMap removes the source map in the last line, which is for debuggers and makes up most of a compiled file.
func trimSourceMap(script []byte) []byte {
	at := bytes.LastIndex(script, []byte("\n//# sourceMappingURL="))
	if at < 0 || bytes.ContainsRune(bytes.TrimRight(script[at+1:], "\n"), '\n') {
		return script
	}
	return script[:at+1]
}

func gunzip(ctx context.Context, name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	compressed, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(contextReader{ctx, compressed})
}

// contextReader is a reader that fails when ctx ends, because reading a library takes seconds.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(into []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(into)
}

// readArchive returns the wanted files of an npm archive by their path in the package, which is the path after its first
// element.
func readArchive(archive []byte, isWanted func(file string) bool) (map[string][]byte, error) {
	files := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(header.Name, "/")
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if !isLocal(name) {
			return nil, fmt.Errorf("%q is not a path in the package", header.Name)
		}
		if !isWanted(name) {
			continue
		}
		if files[name], err = io.ReadAll(reader); err != nil {
			return nil, err
		}
	}
}

// isLocal reports whether a path from a package stays below the directory that it is joined to, and fits on a line of the checksums.
// The kernel takes a backslash for a separator on every system.
func isLocal(name string) bool {
	return filepath.IsLocal(name) && path.Clean(name) == name && name != "." && !strings.ContainsAny(name, "\\\r\n")
}

func writeFiles(dir string, files map[string][]byte) error {
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// unsafeCharacters are those that the kernel replaces in the path of an entry.
var unsafeCharacters = regexp.MustCompile(`[^@a-z0-9_.\\/-]+`)

// dir returns the path of the entry in the package cache, as the kernel computes it: the name, the version, and a hash of the
// tarball, the name and the version. Name and version come from the package, and must not lead out of the package cache.
func (e *entry) dir() (string, error) {
	scope, base, isScoped := strings.Cut(e.name, "/")
	if !isLocal(e.name) || isScoped && (!strings.HasPrefix(scope, "@") || strings.Contains(base, "/")) {
		return "", fmt.Errorf("%s: name is %q, want NAME or @SCOPE/NAME: unsupported layout", packageFile, e.name)
	}
	if !isLocal(e.version) || strings.Contains(e.version, "/") {
		return "", fmt.Errorf("%s: version is %q, want one without a separator: unsupported layout", packageFile, e.version)
	}
	sum := sha256.New()
	if err := copyFile(sum, e.tarball); err != nil {
		return "", err
	}
	fmt.Fprintf(sum, "\x00%s\x00%s", e.name, e.version)
	sanitize := func(part string) string { return filepath.FromSlash(unsafeCharacters.ReplaceAllString(part, "_")) }
	return filepath.Join(sanitize(e.name), sanitize(e.version), hex.EncodeToString(sum.Sum(nil))), nil
}
