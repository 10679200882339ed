// Command infrastructure writes the Terraform configuration of every environment into cdktf.out.
//
// environments/*.yaml -> config -> stacks -> modules -> cdktf.out/stacks/NAME/cdk.tf.json
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/aws/jsii-runtime-go"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
)

func main() {
	err := run()

	// The runtime's folder in the temporary directory is there from the start, even where nothing was synthesized.
	// Its process may be waited for twice, and the loser of that race calls a good exit abnormal: nobody need read it.
	stderr := os.Stderr
	os.Stderr = nil
	jsii.Close()
	if err != nil {
		fmt.Fprintln(stderr, err)
		os.Exit(1)
	}
}

func run() error {
	environments, err := config.Load("environments")
	if err != nil {
		return err
	}
	config.Warn(os.Stderr, environments)
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is not on PATH; the constructs need Node.js 22: run make synth, which takes its own, or install it")
	}
	return synthesize(environments)
}

// synthesize builds all stacks and writes them. The constructs library reports its errors by panicking; this is
// the one place where a panic becomes an error.
func synthesize(environments []config.Environment) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("synthesize: %s", strings.TrimSpace(fmt.Sprint(reason)))
		}
	}()

	app := cdktf.NewApp(nil)
	newBootstrapStacks(app, environments)
	for _, environment := range environments {
		newEnvironmentStack(app, environment)
	}
	app.Synth()
	return nil
}
