// Package measure runs programs in turn, several rounds of each, and prints the medians of their time and memory. Ratios of
// these medians are comparable between runs even on a machine that other users load, because each round runs every program.
package measure

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/starttech/infrastructure/packagecache"
)

// Program is a command to measure and its results.
type Program struct {
	Name    string
	Command []string
	Dir     string   // working directory
	Env     []string // variables in addition to those of this process

	Runs  []Run
	Peaks []int64 // peak memory of its processes, in bytes
}

// Run is one run of a program.
type Run struct {
	Start  time.Time
	Took   time.Duration
	Stdout []byte
}

// Main calls run with the path of an empty directory and removes the directory afterwards. If run fails or a signal arrives,
// the process prints the error and exits with status 1. Programs do not inherit a package cache, and they write their
// temporary files into the directory, because the jsii runtime leaves them behind when it is interrupted.
func Main(run func(ctx context.Context, scratch string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := inScratch(func(scratch string) error { return run(ctx, scratch) }); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func inScratch(run func(scratch string) error) (err error) {
	scratch, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	temporary := filepath.Join(scratch, "tmp")
	if err := errors.Join(
		os.Mkdir(temporary, 0o755),
		os.Setenv("TMPDIR", temporary),
		os.Unsetenv(packagecache.Variable),
	); err != nil {
		return err
	}
	return run(scratch)
}

// WarmUp runs each program once without recording the run.
func WarmUp(ctx context.Context, programs []*Program) error {
	for _, p := range programs {
		if _, err := p.Run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Time runs each program once per round and records the runs.
func Time(ctx context.Context, rounds int, programs []*Program) error {
	for range rounds {
		for _, p := range programs {
			run, err := p.Run(ctx)
			if err != nil {
				return err
			}
			p.Runs = append(p.Runs, run)
		}
	}
	return nil
}

// Run runs the program once without recording the run.
func (p *Program) Run(ctx context.Context) (Run, error) {
	command := p.command(ctx)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	start := time.Now()
	if err := command.Run(); err != nil {
		return Run{}, fmt.Errorf("%s: %w\n%s%s", p.Name, err, &stdout, &stderr)
	}
	return Run{Start: start, Took: time.Since(start), Stdout: stdout.Bytes()}, nil
}

func (p *Program) command(ctx context.Context) *exec.Cmd {
	command := Command(ctx, p.Dir, p.Command...)
	command.Env = append(os.Environ(), p.Env...)
	return command
}

// Time returns the median time of the recorded runs.
func (p *Program) Time() time.Duration {
	var times []time.Duration
	for _, run := range p.Runs {
		times = append(times, run.Took)
	}
	return Median(times)
}

// Median returns the median of values, the upper one of two.
func Median[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// Command returns a command that runs in dir, in a process group of its own. The end of ctx kills the process group, so that no
// child process is left.
func Command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir = dir
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	return command
}

// RunQuietly runs a command. Its output is in the error if the command fails, and discarded otherwise.
func RunQuietly(command *exec.Cmd) error {
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(command.Path), err, out)
	}
	return nil
}
