// Command infrastructure writes the Terraform configuration of every environment into cdktf.out.
//
// environments/*.yaml -> config -> stacks -> modules -> cdktf.out/stacks/NAME/cdk.tf.json
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/aws/jsii-runtime-go"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	stderr := os.Stderr
	context.AfterFunc(ctx, func() { os.Stderr = nil }) // nobody need read how the jsii runtime takes it
	err := inTemporaryFolder(func() error { return run(ctx) })
	if ctx.Err() != nil {
		err = errors.New("synthesize: interrupted") // whatever else was said of it
	}
	stop()
	if err != nil {
		fmt.Fprintln(stderr, err)
		os.Exit(1)
	}
}

// inTemporaryFolder gives the jsii runtime a temporary folder of its own, and leaves neither that nor a process behind:
// a runtime that is interrupted, as by Ctrl-C in a terminal, does not tidy up after itself. Where no folder can be made,
// the runtime has panicked before main, and make synth is what says so in a line.
func inTemporaryFolder(run func() error) error {
	folder, err := os.MkdirTemp("", "infrastructure-")
	if err != nil {
		return err
	}
	if err := os.Setenv("TMPDIR", folder); err != nil {
		return err
	}
	jsii.Close() // it was there from the start, and begins again with the first construct
	err = run()

	// Its process may be waited for twice, and the loser of that race calls a good exit abnormal: nobody need read it.
	os.Stderr = nil
	jsii.Close()
	return errors.Join(err, os.RemoveAll(folder))
}

func run(ctx context.Context) error {
	environments, err := config.Load("environments")
	if err != nil {
		return err
	}
	config.Warn(os.Stderr, environments)
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is not on PATH; the constructs need Node.js 22: run make synth, which takes its own, or install it")
	}
	return synthesize(ctx, environments)
}

// synthesize builds all stacks and writes them. The constructs library reports its errors by panicking; this is
// the one place where a panic becomes an error. It cannot be stopped but between two of its calls.
func synthesize(ctx context.Context, environments []config.Environment) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("synthesize: %s", strings.TrimSpace(fmt.Sprint(reason)))
		}
	}()

	app := cdktf.NewApp(nil)
	newBootstrapStacks(app, environments)
	for _, environment := range environments {
		if err := ctx.Err(); err != nil {
			return err
		}
		newEnvironmentStack(app, environment)
	}
	if ctx.Err() == nil {
		app.Synth()
	}
	return ctx.Err()
}
