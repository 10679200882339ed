package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/packagecache"
)

// synth writes the Terraform configuration of every stack.
func (p *project) synth(ctx context.Context) error {
	return p.synthesize(ctx, steps{ctx: ctx, out: os.Stderr, again: "make synth"})
}

// synthesize runs cdktf synth, which builds and runs the program in this folder's root. Mistakes in the environment
// files are reported before that, without cdktf's words around them.
func (p *project) synthesize(ctx context.Context, s steps) error {
	environments, err := config.Load("environments")
	if err != nil {
		return err
	}
	config.Warn(os.Stderr, environments)
	// Without a temporary folder the jsii runtime panics before the program's first line.
	temporary, err := os.MkdirTemp("", "starttech-")
	if err != nil {
		return err
	}
	if err := os.Remove(temporary); err != nil {
		return err
	}
	var cacheErr error
	err = s.do("Synthesize the stacks into cdktf.out", func() error {
		cacheErr = packagecache.Use(ctx, p.root, p.work("packagecache"), ".")
		command := exec.CommandContext(ctx, "cdktf", "synth")
		command.Dir = p.root
		err := quietly(command)
		if errors.Is(err, exec.ErrNotFound) {
			return errors.New("cdktf is not installed: run make install")
		}
		return err
	})
	if cacheErr != nil && ctx.Err() == nil {
		fmt.Fprintln(s.out, "The synthesis read the complete construct libraries, which is slow:", cacheErr)
	}
	return err
}
