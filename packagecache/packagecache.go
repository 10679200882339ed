// Package packagecache prepares a jsii package cache that holds only the parts of each library that a Go program uses.
//
// A Go program on jsii embeds its libraries as npm tarballs. The jsii kernel unpacks each tarball into a package cache once,
// keyed by name, version and hash of the tarball, and uses an existing entry without comparing it with the tarball. Prebuilt
// providers of CDKTF are so large that reading them takes most of the time of a synthesis: the manifest of the AWS provider has
// 120 MB, and its index loads 2,100 modules. An entry prepared here has only the modules that the program imports, an index that
// loads a module on first use, and a manifest without documentation. README.md has the measurements.
//
// The package uses the standard library and runs go and node.
package packagecache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Variable is the environment variable with the directory of the jsii kernel's package cache.
const Variable = "JSII_RUNTIME_PACKAGE_CACHE_ROOT"

const (
	stagingPrefix = ".packagecache-"   // of the name of a directory that is being prepared or removed
	stagingAge    = time.Hour          // after which such a directory is abandoned
	unusedAge     = 7 * 24 * time.Hour // after which an unused package cache is removed when another is prepared
)

// Prepare returns a directory below cache to set Variable to. It serves the Go packages, which are patterns of go list relative to
// dir, and their tests. Prepare verifies an existing directory, file by file, and otherwise prepares it, which takes seconds.
// Several processes may call it at the same time, and each may be killed at any time.
//
// If Prepare returns an error, the program still works without Variable, on the complete libraries.
func Prepare(ctx context.Context, dir, cache string, packages ...string) (string, error) {
	program, err := inspect(ctx, dir, packages)
	if err != nil {
		return "", err
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return "", err
	}
	root := filepath.Join(cache, program.key())

	switch err := check(root); {
	case err == nil:
		return root, nil
	case errors.Is(err, errDamaged):
		if err := remove(root); err != nil {
			return "", err
		}
	case !errors.Is(err, os.ErrNotExist):
		return "", err // for example on a read-only disk
	}
	if os.Getenv("JSII_RUNTIME") != "" {
		return "", errors.New("JSII_RUNTIME selects another jsii runtime, which is not supported")
	}

	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	stage, err := os.MkdirTemp(cache, stagingPrefix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage) // after an error; otherwise it has been renamed
	if err := program.prepare(ctx, stage); err != nil {
		return "", err
	}
	// If another process was faster, its directory has the same content.
	if err := os.Rename(stage, root); err != nil && check(root) != nil {
		return "", err
	}
	sweep(cache)
	return root, nil
}

// Verify reports whether a directory that Prepare returned is complete, file by file, and records that it is used. A caller that
// knows that the program's imports have not changed may call it instead of Prepare, which looks at the program and takes longer.
func Verify(root string) error { return check(root) }

// Use sets Variable to the result of Prepare, for the processes that this process starts. If Variable is already set to a
// directory that this package did not prepare, Use leaves it unchanged. If Prepare fails, Variable is not set.
func Use(ctx context.Context, dir, cache string, packages ...string) error {
	if current := os.Getenv(Variable); current != "" {
		if _, err := os.Stat(filepath.Join(current, sumsFile)); err != nil {
			return nil
		}
		// It may be for other imports.
		if err := os.Unsetenv(Variable); err != nil {
			return err
		}
	}
	root, err := Prepare(ctx, dir, cache, packages...)
	if err != nil {
		return err
	}
	return os.Setenv(Variable, root)
}

// Key returns the name of the directory that Prepare returns. It is a hash of the libraries, the jsii runtime, the imports of the
// Go packages, and the source of this package.
func Key(ctx context.Context, dir string, packages ...string) (string, error) {
	program, err := inspect(ctx, dir, packages)
	if err != nil {
		return "", err
	}
	return program.key(), nil
}

// DefaultRoot returns the directory that the jsii kernel uses on Linux and macOS if Variable is not set.
func DefaultRoot() string {
	home := os.Getenv("HOME")
	switch {
	case home == "":
		return filepath.Join(os.TempDir(), "aws-jsii-package-cache")
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Caches", "com.amazonaws.jsii", "package-cache")
	default:
		return filepath.Join(home, ".cache", "aws", "jsii", "package-cache")
	}
}

// prepare writes the entries of all libraries into root, verifies that the kernel loads them, and writes their checksums.
func (p *program) prepare(ctx context.Context, root string) error {
	var entries []*entry
	for _, library := range p.libraries {
		entry, err := library.unpack(ctx, root)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s: %w", filepath.Base(library.tarball), err)
		}
		entries = append(entries, entry)
	}
	if err := p.verify(ctx, root, entries); err != nil {
		return err
	}
	return writeSums(root)
}

// remove renames a directory, so that no process uses a part of it, and then removes it.
func remove(dir string) error {
	stage, err := os.MkdirTemp(filepath.Dir(dir), stagingPrefix)
	if err != nil {
		return err
	}
	err = os.Rename(dir, filepath.Join(stage, "removed"))
	if errors.Is(err, os.ErrNotExist) {
		err = nil // another process was faster
	}
	return errors.Join(err, os.RemoveAll(stage))
}

// sweep removes unused package caches and abandoned staging directories of this package from cache. It leaves other files alone,
// and ignores errors, because the next sweep tries again.
func sweep(cache string) {
	files, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	for _, file := range files {
		path := filepath.Join(cache, file.Name())
		lastUse, limit := filepath.Join(path, sumsFile), unusedAge
		if strings.HasPrefix(file.Name(), stagingPrefix) {
			lastUse, limit = path, stagingAge
		}
		if info, err := os.Stat(lastUse); err == nil && time.Since(info.ModTime()) > limit {
			remove(path)
		}
	}
}
