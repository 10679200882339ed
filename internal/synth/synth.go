// Package synth runs the program in the root of the checkout, which writes the Terraform configuration of every stack into
// cdktf.out. The result is the same as that of `cdktf synth`, whose start takes longer than the program.
package synth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/starttech/infrastructure/packagecache"
)

// Paths in the checkout.
const (
	outDir   = "cdktf.out"
	program  = ".local/bin/infrastructure"
	cacheDir = ".local/packagecache"
)

// Run synthesizes the stacks of the checkout in root, and returns the warnings: what the program printed, and why the package
// cache could not be prepared, which makes the program slower.
//
// If the program's code is what it was in the last synthesis, Run builds nothing and uses the same package cache.
func Run(ctx context.Context, root string) (warnings string, err error) {
	last, known := readStamp(root)
	if err := removeStamp(root); err != nil {
		return "", err
	}
	var now stamp
	if now.Environments, err = fingerprint(root, environmentPatterns); err != nil { // as they are before the program reads them
		return "", err
	}
	if known && len(last.Packages) > 0 && last.hasCode(root) && unchanged(root, last.Program, programPatterns) {
		now.Packages, now.Code = last.Packages, last.Code
	} else {
		if now.Packages, err = packageDirs(ctx, root); err != nil {
			return "", err
		}
		if now.Code, err = fingerprint(root, codePatterns(now.Packages)); err != nil {
			return "", err
		}
		if err := build(ctx, root); err != nil {
			return "", err
		}
		last.PackageCache = "" // it may be for other imports
	}
	// Without a temporary directory, the jsii runtime panics before the program's first line.
	temporary, err := os.MkdirTemp("", "starttech-")
	if err != nil {
		return "", err
	}
	defer os.Remove(temporary)

	if now.PackageCache, err = usePackageCache(ctx, root, last.PackageCache); err != nil {
		warnings = fmt.Sprintf("warning: the package cache could not be prepared, so synthesis is slow: %v\n", err)
	}
	out, err := execute(ctx, root, root)
	if err != nil {
		return warnings, err
	}
	if err := removeOrphans(root); err != nil {
		return warnings, err
	}
	return warnings + string(out), writeStamp(root, now)
}

// RunIn synthesizes the environment files of another directory, dir/environments, into dir/cdktf.out, with the code of the checkout in root.
func RunIn(ctx context.Context, root, dir string) error {
	last, known := readStamp(root)
	if !known || len(last.Program) == 0 || !unchanged(root, last.Program, programPatterns) {
		if err := build(ctx, root); err != nil {
			return err
		}
	}
	_, _ = usePackageCache(ctx, root, last.PackageCache) // without one, the program is slow
	_, err := execute(ctx, root, dir)
	return err
}

// usePackageCache sets the package cache for the program, and returns its directory: the last one, or another one if there is none
// or it is incomplete.
func usePackageCache(ctx context.Context, root, last string) (string, error) {
	if last != "" && os.Getenv(packagecache.Variable) == "" && packagecache.Verify(last) == nil {
		return last, os.Setenv(packagecache.Variable, last)
	}
	if err := packagecache.Use(ctx, root, filepath.Join(root, cacheDir), "."); err != nil {
		return "", err
	}
	return os.Getenv(packagecache.Variable), nil
}

var errNoGo = errors.New("go is not on PATH: install Go (https://go.dev/dl)")

// removeOrphans removes the directories of stacks that the program has not written, as cdktf synth does.
func removeOrphans(root string) error {
	content, err := os.ReadFile(filepath.Join(root, outDir, "manifest.json"))
	if err != nil {
		return err
	}
	var manifest struct {
		Stacks map[string]any `json:"stacks"`
	}
	if err := json.Unmarshal(content, &manifest); err != nil {
		return fmt.Errorf("%s/manifest.json: %w", outDir, err)
	}
	stacks := filepath.Join(root, outDir, "stacks")
	entries, err := os.ReadDir(stacks)
	for _, entry := range entries {
		if _, ok := manifest.Stacks[entry.Name()]; !ok && entry.IsDir() {
			err = errors.Join(err, os.RemoveAll(filepath.Join(stacks, entry.Name())))
		}
	}
	return err
}

// build compiles the program. Go compiles only what has changed.
func build(ctx context.Context, root string) error {
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(program)), 0o755); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "build", "-ldflags=-w", "-o", program, ".")
	command.Dir = root
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // so that go removes its temporary files
	command.WaitDelay = 10 * time.Second
	out, err := command.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errNoGo
	} else if err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

// reason is why the program has failed: what follows its warnings, or the first line of a panic. The jsii runtime panics, before the
// program's first line, if it cannot write its files.
func reason(output string) string {
	if line, _, isPanic := strings.Cut(output, "\n"); isPanic && strings.HasPrefix(line, "panic: ") {
		return strings.TrimPrefix(line, "panic: ") + "; the temporary files are in " + os.TempDir()
	}
	if i := strings.LastIndex("\n"+output, "\nsynthesize: "); i >= 0 {
		output = output[i:]
	}
	return strings.TrimPrefix(output, "synthesize: ")
}

// execute runs the program of the checkout in root in a directory, and returns what it printed. If ctx is cancelled, the program gets an
// interrupt, so that it can end the Node.js process of the constructs.
func execute(ctx context.Context, root, dir string) ([]byte, error) {
	command := exec.CommandContext(ctx, filepath.Join(root, program))
	command.Dir = dir
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &exit):
		return nil, errors.New(reason(string(bytes.TrimSpace(out))))
	}
	return out, err
}
