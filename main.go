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
	"path/filepath"
	"strings"
	"syscall"
	"time"

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
	printed, err := inTemporaryDirectory(func() error { return run(ctx) })
	if err != nil {
		// A signal to the process group may end the jsii runtime, which is an error, before it reaches this process.
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	if ctx.Err() != nil {
		printed, err = nil, errors.New("synthesize: interrupted") // in place of a follow-up error, and of what the jsii runtime prints then
	}
	stop()
	_, _ = stderr.Write(printed)
	if err != nil {
		fmt.Fprintln(stderr, err)
		os.Exit(1)
	}
}

// inTemporaryDirectory gives the jsii runtime its own temporary directory, and removes the directory and the runtime's
// process afterwards. A runtime that is interrupted, for example by Ctrl-C in a terminal, does not remove them itself. If no
// directory can be created, the runtime has panicked before main; starttech synth checks that first. It returns what was printed
// to os.Stderr.
func inTemporaryDirectory(run func() error) (printed []byte, err error) {
	dir, err := os.MkdirTemp("", "infrastructure-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return nil, err
	}
	jsii.Close() // it starts with the process, and again with the first construct
	os.Stderr = file
	err = run()
	printed, readErr := os.ReadFile(file.Name())

	// The runtime may wait for its process twice, and then reports a normal exit as abnormal. That message is hidden.
	os.Stderr = nil
	jsii.Close()
	return printed, errors.Join(err, readErr)
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

// synthesize builds all stacks and writes them. The constructs library reports its errors by panicking. This is the only
// place where a panic becomes an error. Cancellation takes effect between two calls of the library.
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
