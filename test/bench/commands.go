package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/starttech/infrastructure/internal/tools"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/packagecache/bench/measure"
)

// timeCommands compares make synth with the program that it runs, and make plan with the same steps of Terraform by hand, on a
// local AWS on which production is deployed.
func timeCommands(ctx context.Context, scratch string, program *measure.Program) (figures []measure.Figure, err error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if err := tools.Use(root); err != nil {
		return nil, err
	}
	aws, err := local.Start(ctx, local.Options{Root: root, Dir: filepath.Join(scratch, "aws"), Account: "123456789012", Region: "eu-west-1"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, aws.Stop()) }()
	for name, value := range aws.Env() {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	for _, stack := range []string{"bootstrap", "production"} {
		deploy := measure.Command(ctx, "", "make", "deploy", "ENV="+stack)
		deploy.Env = append(os.Environ(), "CI=true")
		if err := measure.RunQuietly(deploy); err != nil {
			return nil, err
		}
	}

	// A copy, which has its own .terraform directory.
	byHand := filepath.Join(scratch, "by-hand")
	if err := os.MkdirAll(byHand, 0o755); err != nil {
		return nil, err
	}
	stack, err := os.ReadFile("cdktf.out/stacks/production/cdk.tf.json")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(byHand, "cdk.tf.json"), stack, 0o644); err != nil {
		return nil, err
	}
	synth := &measure.Program{Name: "make synth", Command: []string{"make", "synth"}}
	plan := &measure.Program{Name: "make plan", Command: []string{"make", "plan", "ENV=production"}}
	terraform := &measure.Program{
		Name: "terraform init and plan by hand", Dir: byHand,
		Command: []string{"sh", "-c", "terraform init -input=false && terraform plan -input=false -out=plan"},
	}
	all := []*measure.Program{program, synth, plan, terraform}
	if err := measure.WarmUp(ctx, all); err != nil {
		return nil, err
	}
	program.Runs = nil
	if err := measure.Time(ctx, rounds, all); err != nil {
		return nil, err
	}
	fmt.Println()
	measure.PrintMedians(os.Stdout, all)
	return []measure.Figure{
		measure.Ratio("make synth / the program alone", synth, program, 1.60),
		measure.Ratio("make plan / terraform init and plan by hand", plan, terraform, 1.15),
	}, nil
}
