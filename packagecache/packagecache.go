// Package packagecache prepares a jsii package cache that holds of each library what a program uses of it.
//
// A Go program on jsii embeds its libraries as npm tarballs. The jsii kernel unpacks each into a package cache once,
// keyed by name, version and hash of the tarball, and takes a finished entry as it is. Prebuilt providers of CDKTF
// are so large that reading them is most of a synthesis: the AWS provider's manifest has 120 MB and its index loads
// 2,100 modules. An entry prepared here has the same modules, but only those that the program imports, an index that
// loads a module when it is used, and a manifest without documentation. README.md has the numbers.
//
// The package uses nothing but the standard library and the go and node commands.
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

// Variable is the environment variable that tells the jsii kernel where its package cache lies.
const Variable = "JSII_RUNTIME_PACKAGE_CACHE_ROOT"

const (
	staging  = ".packagecache-"   // begins the name of a folder that is being prepared, or removed
	stageAge = time.Hour          // after which nobody is at it any more
	rootAge  = 7 * 24 * time.Hour // without use, after which a prepared folder is removed when another is prepared
)

// Root returns a folder for Variable which serves the Go packages (patterns of go list, seen from the folder dir) and
// lies in the folder cache. What is there already is checked, file by file; what is missing or damaged is prepared,
// which takes seconds. Several processes may do so at once, and each may be killed at any time.
//
// An error says why there is no such folder: the work can go on without it, on the whole libraries.
func Root(ctx context.Context, dir, cache string, packages ...string) (string, error) {
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
		return "", err // as on a disk that is read-only
	}
	if os.Getenv("JSII_RUNTIME") != "" {
		return "", errors.New("JSII_RUNTIME names another jsii runtime: it is not known")
	}

	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	stage, err := os.MkdirTemp(cache, staging)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage) // by then it has the name root, if all went well
	if err := program.prepare(ctx, stage); err != nil {
		return "", err
	}
	// Whoever is first wins; the others take what they find.
	if err := os.Rename(stage, root); err != nil && check(root) != nil {
		return "", err
	}
	sweep(cache)
	return root, nil
}

// Use sets Variable for the processes that this one starts, to what Root returns. It leaves alone a folder that somebody has
// chosen, but not one that was prepared: that may be of other imports.
func Use(ctx context.Context, dir, cache string, packages ...string) error {
	if chosen := os.Getenv(Variable); chosen != "" {
		if _, err := os.Stat(filepath.Join(chosen, sumsFile)); err != nil {
			return nil
		}
		if err := os.Unsetenv(Variable); err != nil {
			return err
		}
	}
	root, err := Root(ctx, dir, cache, packages...)
	if err != nil {
		return err
	}
	return os.Setenv(Variable, root)
}

// Key names what Root prepares: it changes with the versions of the libraries and of the jsii runtime, with the imports
// of the Go packages, and with this package.
func Key(ctx context.Context, dir string, packages ...string) (string, error) {
	program, err := inspect(ctx, dir, packages)
	if err != nil {
		return "", err
	}
	return program.key(), nil
}

// DefaultRoot is the folder that the jsii kernel takes where Variable is not set, on Linux and macOS.
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

// prepare writes all entries into a folder, has the kernel load them, and lists them.
func (p *program) prepare(ctx context.Context, folder string) error {
	var entries []*entry
	for _, library := range p.libraries {
		entry, err := library.unpack(ctx, folder)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s: %w", filepath.Base(library.tarball), err)
		}
		entries = append(entries, entry)
	}
	if err := p.load(ctx, folder, entries); err != nil {
		return err
	}
	return writeSums(folder)
}

// remove makes a folder disappear at once, and then its files.
func remove(folder string) error {
	gone, err := os.MkdirTemp(filepath.Dir(folder), staging)
	if err != nil {
		return err
	}
	err = os.Rename(folder, filepath.Join(gone, "removed"))
	if errors.Is(err, os.ErrNotExist) {
		err = nil // another process was faster
	}
	return errors.Join(err, os.RemoveAll(gone))
}

// sweep removes what this package left in the folder cache: what nobody used for a week, and what was not finished. It
// leaves alone what others put there. It is no error if something cannot be removed: it will be tried again.
func sweep(cache string) {
	folders, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	for _, folder := range folders {
		path := filepath.Join(cache, folder.Name())
		used, limit := filepath.Join(path, sumsFile), rootAge
		if strings.HasPrefix(folder.Name(), staging) {
			used, limit = path, stageAge
		}
		if last, err := os.Stat(used); err == nil && time.Since(last.ModTime()) > limit {
			remove(path)
		}
	}
}
