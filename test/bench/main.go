// Command bench measures this project: the synthesis of one and of many environments, make synth and make plan, a rollback of a large
// frontend, and the short tests. The benefit of the package cache is measured by packagecache/bench. A figure above its limit is marked; the
// command succeeds all the same. It takes about fifteen minutes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/starttech/infrastructure/packagecache"
	"github.com/starttech/infrastructure/packagecache/bench/measure"
)

const rounds = 5

func main() { measure.Main(run) }

func run(ctx context.Context, scratch string) error {
	programs := filepath.Join(scratch, "programs") + string(filepath.Separator)
	if err := measure.RunQuietly(measure.Command(ctx, "", "go", "build", "-o", programs, ".", "./test/bench/vpc", "./test/bench/restore")); err != nil {
		return err
	}
	root, err := packagecache.Prepare(ctx, ".", filepath.Join(scratch, "cache"), ".")
	if err != nil {
		return fmt.Errorf("prepare the package cache: %w", err)
	}
	cache := packagecache.Variable + "=" + root

	var all []*measure.Program
	add := func(name, program string, env ...string) *measure.Program {
		p := &measure.Program{Name: name, Command: []string{programs + program}, Dir: filepath.Join(scratch, name), Env: env}
		all = append(all, p)
		err = errors.Join(err, os.MkdirAll(filepath.Join(p.Dir, "environments"), 0o755))
		return p
	}
	prepared := add("every stack, prepared cache", "infrastructure", cache)
	one := add("1 environment, prepared cache", "infrastructure", cache)
	sixteen := add("16 environments, prepared cache", "infrastructure", cache)
	full := add("every stack, complete libraries", "infrastructure")
	vpc := add("one VPC, complete libraries", "vpc")
	oneFull := add("1 environment, complete libraries", "infrastructure")
	tenFull := add("10 environments, complete libraries", "infrastructure")
	if err := errors.Join(
		err,
		copyEnvironments(prepared.Dir), copyEnvironments(full.Dir),
		copyProduction(one.Dir, 1), copyProduction(sixteen.Dir, 16),
		copyProduction(oneFull.Dir, 1), copyProduction(tenFull.Dir, 10),
	); err != nil {
		return err
	}

	if err := measure.WarmUp(ctx, all); err != nil {
		return err
	}
	if err := measure.Time(ctx, rounds, all); err != nil {
		return err
	}
	fmt.Printf("medians of %d rounds\n\n", rounds)
	measure.PrintMedians(os.Stdout, all)
	another := (sixteen.Time() - one.Time()).Seconds() / 15
	for _, f := range []measure.Figure{
		{Name: "another environment, prepared cache", Value: another, Unit: "s", Limit: 0.25},
		measure.Ratio("10 environments / 1, complete libraries", tenFull, oneFull, 2.00),
		measure.Ratio("every stack / one VPC, complete libraries", full, vpc, 1.30),
	} {
		f.Print(os.Stdout)
	}

	figures, err := timeCommands(ctx, scratch, prepared)
	if err != nil {
		return err
	}
	for _, f := range figures {
		f.Print(os.Stdout)
	}

	if figures, err = timeRestores(ctx, scratch); err != nil {
		return err
	}
	for _, f := range figures {
		f.Print(os.Stdout)
	}

	tests, err := timeTests(ctx)
	if err != nil {
		return err
	}
	measure.Figure{Name: "make test SHORT=1, warm", Value: tests.Seconds(), Unit: "s", Limit: 60}.Print(os.Stdout)
	return nil
}

// copyEnvironments copies the environment files of the checkout into dir.
func copyEnvironments(dir string) error {
	return os.CopyFS(filepath.Join(dir, "environments"), os.DirFS("environments"))
}

// copyProduction copies the environment file of production into dir under several names.
func copyProduction(dir string, copies int) error {
	content, err := os.ReadFile(filepath.Join("environments", "production.yaml"))
	for n := range copies {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "environments", fmt.Sprintf("copy-%d.yaml", n)), content, 0o644))
	}
	return err
}

// timeTests returns the time of make test SHORT=1 when everything is compiled and Go has no cached test results.
func timeTests(ctx context.Context) (time.Duration, error) {
	for _, warmUp := range [][]string{
		{"make", "lint"},
		{"go", "test", "-short", "-exec", "true", "./...", "github.com/starttech/infrastructure/packagecache/..."},
	} {
		if err := measure.RunQuietly(measure.Command(ctx, "", warmUp...)); err != nil {
			return 0, err
		}
	}
	test := measure.Command(ctx, "", "make", "test", "SHORT=1", "GOFLAGS="+os.Getenv("GOFLAGS")+" -count=1")
	start := time.Now()
	err := measure.RunQuietly(test)
	return time.Since(start), err
}
