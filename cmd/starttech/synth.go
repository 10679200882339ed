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
	var slow error
	err = s.do("Synthesize the stacks into cdktf.out", func() error {
		slow = p.preparePackageCache(ctx)
		command := exec.CommandContext(ctx, "cdktf", "synth")
		command.Dir = p.root
		err := quietly(command)
		if errors.Is(err, exec.ErrNotFound) {
			return errors.New("cdktf is not installed: run make install")
		}
		return err
	})
	if slow != nil {
		fmt.Fprintln(s.out, "The constructs' libraries were read as a whole, which is slow:", slow)
	}
	return err
}

// preparePackageCache has the program read of the constructs' libraries what it uses. An error says why it will read
// them as a whole.
func (p *project) preparePackageCache(ctx context.Context) error {
	if os.Getenv(packagecache.Variable) != "" {
		return nil // somebody has chosen
	}
	root, err := packagecache.Root(ctx, p.root, p.work("packagecache"), ".")
	if err != nil {
		return err
	}
	return os.Setenv(packagecache.Variable, root)
}
