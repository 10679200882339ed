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
	descriptionFile = "package.json"
	marker          = ".jsii-runtime-package-cache" // tells the kernel that an entry is finished
)

// entry is a library in a package cache.
type entry struct {
	name, version string
	tarball       string
	types         int      // in its manifest
	statics       []static // a property of each module, which loads it
}

// unpack writes the library's entry into the package cache root. A prebuilt provider, which is known by its lazy index,
// keeps the modules that are imported; another library keeps all. Neither keeps what Node.js does not run.
func (l library) unpack(ctx context.Context, root string) (*entry, error) {
	archive, err := gunzip(ctx, l.tarball)
	if err != nil {
		return nil, err
	}
	files, err := read(archive, func(file string) bool {
		return file == descriptionFile || file == manifestFile || file == lazyIndex
	})
	if err != nil {
		return nil, err
	}
	var description map[string]any
	if err := json.Unmarshal(files[descriptionFile], &description); err != nil {
		return nil, fmt.Errorf("%s: %w", descriptionFile, err)
	}
	e := &entry{tarball: l.tarball}
	e.name, _ = description["name"].(string)
	e.version, _ = description["version"].(string)

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

	if files, err = read(archive, imported.needs); err != nil {
		return nil, err
	}
	if err := imported.startLazily(files, description); err != nil {
		return nil, err
	}
	for name, content := range files {
		if path.Ext(name) == ".js" {
			files[name] = withoutSourceMap(content)
		}
	}
	if content, found := files[zipFile]; found {
		files[zipFile] = bytes.Replace(content, []byte(zipNow), []byte(zipLater), 1)
	}
	files[manifestFile] = manifest.json
	files[marker] = nil

	folder, err := e.folder()
	if err != nil {
		return nil, err
	}
	return e, write(filepath.Join(root, folder), files)
}

// The library of the constructs loads one for zip files, which is a third of its own start, for assets that few stacks
// have. Here it is loaded when it is called. A version that does not have this line stays as it is.
const (
	zipFile  = "lib/private/fs.js"
	zipNow   = `const archiver = require("archiver");`
	zipLater = `const archiver = (...options) => require("archiver")(...options);`
)

// withoutSourceMap cuts off the comment in the last line, for debuggers, that is most of a compiled file.
func withoutSourceMap(script []byte) []byte {
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
	return io.ReadAll(interruptible{ctx, compressed})
}

// interruptible is a reader that fails when ctx ends: a library takes seconds to read.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (i interruptible) Read(into []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.Reader.Read(into)
}

// read returns the wanted files of an archive, by their path in the package: what follows the first element.
func read(archive []byte, wanted func(file string) bool) (map[string][]byte, error) {
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
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%s lies outside of the package", header.Name)
		}
		if !wanted(name) {
			continue
		}
		if files[name], err = io.ReadAll(reader); err != nil {
			return nil, err
		}
	}
}

func write(folder string, files map[string][]byte) error {
	for name, content := range files {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// unusual is what the kernel does not take over from a name into the path of a folder.
var unusual = regexp.MustCompile(`[^@a-z0-9_.\\/-]+`)

// folder is where the kernel looks for the entry: its name, its version, and the hash of the tarball and both.
func (e *entry) folder() (string, error) {
	sum := sha256.New()
	if err := copyFile(sum, e.tarball); err != nil {
		return "", err
	}
	fmt.Fprintf(sum, "\x00%s\x00%s", e.name, e.version)
	place := func(part string) string { return filepath.FromSlash(unusual.ReplaceAllString(part, "_")) }
	return filepath.Join(place(e.name), place(e.version), hex.EncodeToString(sum.Sum(nil))), nil
}
