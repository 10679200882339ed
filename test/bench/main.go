// Command bench measures synthesis on this machine: what the prepared package cache saves, against the full bindings and
// against JavaScript, and what an environment and a resource cost. Everything runs in one run, alternating, so that its
// ratios mean something where the machine's other users make every single time doubtful. A bar that is missed is marked,
// and does not make the bench fail. It takes about eight minutes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/starttech/infrastructure/packagecache"
)

const (
	// rounds is how often the programs run for their time, after a round that warms the disk and does not count.
	rounds = 11
	// memoryRounds is how often they run for their memory, afterwards: reading it slows a program down.
	memoryRounds = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "starttech-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := prepareEnvironment(root, scratch); err != nil {
		return err
	}

	all, err := prepare(ctx, root, scratch)
	if err != nil {
		return err
	}
	if err := measure(ctx, all); err != nil {
		return err
	}
	if err := all.print(os.Stdout); err != nil {
		return err
	}
	took, err := timeTests(ctx, root)
	if err != nil {
		return err
	}
	figure{"make test SHORT=1, warm", took.Seconds(), "s", 60}.print(os.Stdout)
	return nil
}

// prepareEnvironment sets what all programs have in common: the checkout's own Node.js, the full bindings where nothing
// else is said, and a temporary folder that is removed with all that they leave there when they are interrupted.
func prepareEnvironment(root, scratch string) error {
	temporary := filepath.Join(scratch, "tmp")
	return errors.Join(
		os.Mkdir(temporary, 0o755),
		os.Setenv("TMPDIR", temporary),
		os.Setenv("PATH", filepath.Join(root, "node_modules", ".bin")+string(os.PathListSeparator)+os.Getenv("PATH")),
		os.Unsetenv(packagecache.Variable),
	)
}

// prepare builds and installs what is measured, none of which is part of a measured time.
func prepare(ctx context.Context, root, scratch string) (*contenders, error) {
	javascript, err := installJavaScript(ctx, root)
	if err != nil {
		return nil, err
	}
	programs := filepath.Join(scratch, "programs") + string(filepath.Separator)
	resources := filepath.Join(root, "packagecache", "bench", "resources")
	if err := errors.Join(
		quietly(command(ctx, root, "go", "build", "-o", programs, ".", "./test/bench/vpc")),
		quietly(command(ctx, resources, "go", "build", "-o", programs, ".")),
	); err != nil {
		return nil, err
	}
	cache := filepath.Join(root, ".local", "bench", "packages")
	prepared, err := packagecache.Root(ctx, root, cache, ".")
	if err != nil {
		return nil, fmt.Errorf("prepare the package cache: %w", err)
	}
	preparedResources, err := packagecache.Root(ctx, resources, cache, ".")
	if err != nil {
		return nil, fmt.Errorf("prepare the package cache: %w", err)
	}
	return newContenders(programs, prepared, preparedResources, javascript, scratch)
}

func measure(ctx context.Context, all *contenders) error {
	// JavaScript builds what the Go program has synthesized, so that is there before the first round.
	if _, err := all.prepared.run(ctx); err != nil {
		return err
	}
	if err := writeStacks(all.prepared.dir, all.stacks); err != nil {
		return err
	}
	for round := range rounds + 1 {
		for _, c := range all.list() {
			if round%c.every != 0 {
				continue
			}
			result, err := c.run(ctx)
			if err != nil {
				return err
			}
			if round > 0 {
				c.results = append(c.results, result)
			}
		}
		if round == 0 {
			if err := all.compare(); err != nil {
				return err
			}
		}
	}
	if !canReadMemory {
		return nil
	}
	for range memoryRounds {
		for _, c := range []*contender{all.prepared, all.full, all.javascript, all.modules} {
			peak, err := c.peak(ctx)
			if err != nil {
				return err
			}
			c.peaks = append(c.peaks, peak)
		}
	}
	return nil
}

// quietly runs a command and shows what it printed only where it fails.
func quietly(command *exec.Cmd) error {
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(command.Path), err, out)
	}
	return nil
}
