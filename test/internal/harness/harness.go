// Package harness is what the tests of the whole share: the built program, the stacks that it synthesizes, and how to read and
// compare them.
package harness

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/starttech/infrastructure/internal/tools"
	"github.com/starttech/infrastructure/packagecache"
)

// Update is the flag that rewrites the golden files.
var Update = flag.Bool("update", false, "rewrite the golden files; read their diff")

var (
	// Root is the checkout.
	Root = findRoot()
	// Scratch is a directory that is removed after the tests of a package.
	Scratch string
	// PackageCache is the prepared package cache of the program, and PackageCacheError why there is none.
	PackageCache      string
	PackageCacheError error
)

func findRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Main runs the tests of a package. It sets the environment as the commands do, and prepares the package cache.
func Main(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if err := tools.Use(Root); err != nil {
		return 0, err
	}
	linters := filepath.Join(Root, tools.Linters, "bin") + string(os.PathListSeparator)
	if err := os.Setenv("PATH", linters+os.Getenv("PATH")); err != nil {
		return 0, err
	}
	if Scratch, err = os.MkdirTemp("", "starttech-test-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(Scratch)) }()

	os.Unsetenv(packagecache.Variable)
	PackageCacheError = packagecache.Use(context.Background(), Root, filepath.Join(Root, ".local", "packagecache"), ".")
	PackageCache = os.Getenv(packagecache.Variable)
	return m.Run(), nil
}

// Program is the path of the program that synthesizes the stacks. The first call builds it.
var Program = sync.OnceValues(func() (string, error) { return Build("infrastructure", ".") })

// StartTech is the path of the command starttech. The first call builds it.
var StartTech = sync.OnceValues(func() (string, error) { return Build("starttech", "./cmd/starttech") })

// Build compiles a program of the checkout, and returns its path.
func Build(name, pkg string) (string, error) {
	if err := OpenSources(); err != nil {
		return "", err
	}
	path := filepath.Join(Scratch, name)
	command := exec.Command("go", "build", "-ldflags=-w", "-o", path, pkg) // no debugging information: it links faster
	command.Dir = Root
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// OpenSources reads the directories of the checkout. go test reuses a result unless a file or directory that a test has opened
// changes, and only the compiler and Python open the sources of the programs. What TestMain opens does not count.
func OpenSources() error {
	return filepath.WalkDir(Root, func(path string, entry fs.DirEntry, err error) error {
		if name := entry.Name(); path != Root && entry.IsDir() && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "cdktf.out") {
			return fs.SkipDir
		}
		return err
	})
}

// Must returns the value of a function that fails the test.
func Must[T any](t *testing.T, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}
