// Command bench measures the synthesis of this repository's program with a prepared package cache, with the complete
// libraries and in JavaScript, and the cost of a resource. It runs in the directory of the module packagecache:
//
//	go run ./bench
//
// A figure above its limit is marked; the command succeeds all the same. It takes about five minutes.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/starttech/infrastructure/packagecache"
	"github.com/starttech/infrastructure/packagecache/bench/measure"
)

const (
	programDir   = ".." // the CDKTF program
	resourcesDir = "bench/resources"

	rounds       = 11 // for the time
	memoryRounds = 3
)

// bench holds the programs to measure.
type bench struct {
	prepared, full      synthesis // the CDKTF program
	javascript, modules synthesis // the same stacks in JavaScript
	resources           *measure.Program
}

// synthesis is a program that writes stacks.
type synthesis struct {
	*measure.Program
	output string // directory of the stacks
}

func main() { measure.Main(run) }

func run(ctx context.Context, scratch string) error {
	b, err := newBench(ctx, scratch)
	if err != nil {
		return err
	}
	synthesize := []*measure.Program{b.prepared.Program, b.full.Program, b.javascript.Program, b.modules.Program}
	all := append(synthesize, b.resources)
	if err := measure.WarmUp(ctx, all); err != nil {
		return err
	}
	differing, err := b.compare()
	if err != nil {
		return err
	}
	if err := measure.Time(ctx, rounds, all); err != nil {
		return err
	}
	fmt.Printf("medians of %d rounds\n", rounds)
	if measure.CanReadMemory {
		if err := measure.Memory(ctx, memoryRounds, synthesize); err != nil {
			return err
		}
		fmt.Printf("memory: peak of all processes of a program, median of %d more rounds\n", memoryRounds)
	}
	fmt.Println()
	measure.PrintMedians(os.Stdout, all)
	for _, stack := range differing {
		fmt.Println("  same resources, different JSON:", stack)
	}
	return b.printFigures(os.Stdout)
}

// newBench builds and installs the programs, which is not part of any measured time.
func newBench(ctx context.Context, scratch string) (*bench, error) {
	javascript, err := installJavaScript(ctx)
	if err != nil {
		return nil, err
	}
	program, cache, err := build(ctx, programDir, scratch, "program")
	if err != nil {
		return nil, err
	}
	resources, resourcesCache, err := build(ctx, resourcesDir, scratch, "resources")
	if err != nil {
		return nil, err
	}
	newSynthesis := func(name, cache string, command ...string) synthesis {
		output := filepath.Join(scratch, "output "+name)
		env := []string{"CDKTF_OUTDIR=" + output}
		if cache != "" {
			env = append(env, packagecache.Variable+"="+cache)
		}
		return synthesis{&measure.Program{Name: name, Command: command, Dir: programDir, Env: env}, output}
	}
	stacks := filepath.Join(scratch, "stacks.json")
	b := &bench{
		prepared:   newSynthesis("prepared cache", cache, program),
		full:       newSynthesis("complete libraries", "", program),
		javascript: newSynthesis("JavaScript", "", "node", javascript, stacks),
		modules:    newSynthesis("JavaScript, needed modules only", "", "node", javascript, stacks, "modules"),
		resources: &measure.Program{
			Name: "1,500 resources, prepared cache", Command: []string{resources}, Dir: scratch,
			Env: []string{packagecache.Variable + "=" + resourcesCache},
		},
	}
	// The JavaScript program builds the stacks that the Go program has written.
	if _, err := b.prepared.Run(ctx); err != nil {
		return nil, err
	}
	return b, writeStacks(b.prepared.output, stacks)
}

// build builds the Go program in dir, prepares a package cache for it and returns the paths of both.
func build(ctx context.Context, dir, scratch, name string) (program, cache string, err error) {
	program = filepath.Join(scratch, name)
	if err := measure.RunQuietly(measure.Command(ctx, dir, "go", "build", "-o", program, ".")); err != nil {
		return "", "", err
	}
	if cache, err = packagecache.Prepare(ctx, dir, filepath.Join(scratch, "cache"), "."); err != nil {
		return "", "", fmt.Errorf("prepare the package cache: %w", err)
	}
	return program, cache, nil
}
