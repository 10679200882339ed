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
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	stderr := os.Stderr
	context.AfterFunc(ctx, func() { os.Stderr = nil }) // hides what the jsii runtime prints when it is interrupted
	err := inTemporaryDirectory(func() error { return run(ctx) })
	if ctx.Err() != nil {
		err = errors.New("synthesize: interrupted") // in place of a follow-up error
	}
	stop()
	if err != nil {
		fmt.Fprintln(stderr, err)
		os.Exit(1)
	}
}

// inTemporaryDirectory gives the jsii runtime its own temporary directory, and removes the directory and the runtime's
// process afterwards. A runtime that is interrupted, for example by Ctrl-C in a terminal, does not remove them itself. If no
// directory can be created, the runtime has panicked before main; starttech synth checks that first.
func inTemporaryDirectory(run func() error) error {
	dir, err := os.MkdirTemp("", "infrastructure-")
	if err != nil {
		return err
	}
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return err
	}
	jsii.Close() // it starts with the process, and again with the first construct
	err = run()

	// The runtime may wait for its process twice, and then reports a normal exit as abnormal. That message is hidden.
	os.Stderr = nil
	jsii.Close()
	return errors.Join(err, os.RemoveAll(dir))
}

func run(ctx context.Context) error {
	environments, err := config.LoadForSynthesis("environments")
	if err != nil {
		return err
	}
	config.Warn(os.Stderr, environments)
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is not on PATH; the constructs need Node.js 22: run make synth, which takes its own, or install it")
	}
	functions, err := buildFunctions(ctx, environments)
	if err != nil {
		return err
	}
	return synthesize(ctx, environments, functions)
}

// synthesize builds all stacks and writes them. The constructs library reports its errors by panicking. This is the only
// place where a panic becomes an error. Cancellation takes effect between two calls of the library.
func synthesize(ctx context.Context, environments []config.Environment, functions functions) (err error) {
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
		newEnvironmentStack(app, environment, functions)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	app.Synth()
	return errors.Join(functions.write(*app.Outdir(), environments), ctx.Err())
}
