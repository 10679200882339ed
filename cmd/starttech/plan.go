package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
)

// Each plan, including that of a deploy, leaves a plan or a failure in the stack's directory, never both.
const (
	planFile    = "plan"
	digestFile  = "plan.digest" // what the plan changes (report.Digest); a plan without changes has one, too
	failureFile = "plan.failed"
)

// failure is the content of failureFile.
type failure struct {
	Message string `json:"message"` // one line
	Output  string `json:"output"`  // Terraform's output, or the rest of the message
}

func newPlanCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "plan",
		Short: "Show what a deploy would change on AWS",
		Long: `Show what a deploy would change on AWS, and save the plan in the stack's directory, where Terraform can apply it. The file
plan.digest in that directory identifies the changes, for deploy --approved.

It writes nothing to AWS and does not lock the state.

Terraform's own output is in .local/log/STACK.log. In a pipeline, or if standard error is not a terminal, it is also printed to
standard error.`,
		Example: "  starttech plan --env staging\n  starttech plan --env bootstrap",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.plan(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, defaultEnvironment)
	return command
}

// plan shows what a deploy would change, and saves the plan, or why there is none.
func (p *project) plan(ctx context.Context, name string) error {
	if err := p.checkStack(name); err != nil { // before anything of that name is removed
		return err
	}
	log, err := p.logFile("plan", name) // before the plan of a command that is still running is removed
	if err != nil {
		return err
	}
	defer log.Close()
	// An old plan must not be taken for the one that fails now.
	if err := p.removePlan(name); err != nil {
		return err
	}
	if err := p.newPlan(ctx, name, log); err != nil {
		return p.saveFailure(name, err)
	}
	return nil
}

func (p *project) newPlan(ctx context.Context, name string, log *os.File) error {
	if err := p.checkDeployable(name); err != nil { // before anything is installed
		return err
	}
	s := newSteps(os.Stderr, "")
	if err := p.installTerraform(ctx, s); err != nil {
		return err
	}
	withOutput, output := s.withOutput(log, name)
	stack, err := p.openStack(ctx, s, name, output, log)
	if err != nil {
		return err
	}
	var plan *tfjson.Plan
	changes := false
	if err := withOutput.do(ctx, "Plan "+name, func(*status) error {
		// No Lock and no Untaint: a pull request's role writes nothing.
		plan, changes, err = stack.NewPlan(ctx, filepath.Join(p.stackDir(name), planFile), terraform.PlanOptions{})
		return err
	}); err != nil {
		return err
	}
	digest, err := report.Digest(plan)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.stackDir(name), digestFile), []byte(digest+"\n"), 0o644); err != nil {
		return err
	}
	if !changes {
		fmt.Printf("Plan of %s: No changes.\n", name)
		return nil
	}
	fmt.Printf("\n%s\nTo see every attribute:    %s -chdir=cdktf.out/stacks/%s show plan\nTo plan again and apply:   make deploy ENV=%s\n",
		report.Text(name, plan), stack.options.Binary, name, name)
	return nil
}

// removePlan removes the files of an earlier plan.
func (p *project) removePlan(name string) error {
	for _, file := range []string{planFile, digestFile, failureFile} {
		if err := os.Remove(filepath.Join(p.stackDir(name), file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// saveFailure saves why there is no plan, and returns that reason. If a synthesis has failed, the stack's directory may not exist.
func (p *project) saveFailure(name string, reason error) error {
	f := failure{Message: reason.Error()}
	var known *terraform.Error
	if errors.As(reason, &known) {
		f.Output = known.Output
	}
	if first, _, more := strings.Cut(f.Message, "\n"); more {
		if f.Output == "" {
			f.Output = f.Message
		}
		f.Message = first
	}
	content, err := json.Marshal(f)
	if err != nil {
		return errors.Join(reason, err)
	}
	return errors.Join(
		reason,
		p.removePlan(name), // Terraform may write one before it fails
		os.MkdirAll(p.stackDir(name), 0o755),
		os.WriteFile(filepath.Join(p.stackDir(name), failureFile), content, 0o644),
	)
}

// planResult is the result of the last plan of a stack: a plan, or why there is none.
type planResult struct {
	stack   string
	plan    *tfjson.Plan // nil if it failed
	failure failure
}

// markdown is the result as a pull request shows it.
func (r planResult) markdown() string {
	if r.plan == nil {
		return report.Failure(r.stack, r.failure.Message, r.failure.Output)
	}
	return report.Plan(r.stack, r.plan)
}

// readPlan reads the result of the last plan of a stack. It needs Terraform and the provider that planned, and no credentials.
func (p *project) readPlan(ctx context.Context, stack string) (planResult, error) {
	if err := p.checkStack(stack); err != nil {
		return planResult{}, err
	}
	dir := p.stackDir(stack)
	content, err := os.ReadFile(filepath.Join(dir, failureFile))
	if err == nil {
		result := planResult{stack: stack}
		if err := json.Unmarshal(content, &result.failure); err != nil {
			return planResult{}, fmt.Errorf("%s: %w", filepath.Join(dir, failureFile), err)
		}
		return result, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return planResult{}, err
	}

	if _, err := os.Stat(filepath.Join(dir, planFile)); errors.Is(err, fs.ErrNotExist) {
		return planResult{}, fmt.Errorf("there is no plan of %s; run make plan ENV=%s first", stack, stack)
	}
	binary, err := p.findTerraform(ctx)
	if err != nil {
		return planResult{}, err
	}
	opened, err := terraform.Open(dir, terraform.Options{Binary: binary})
	if err != nil {
		return planResult{}, err
	}
	plan, err := opened.ShowPlan(ctx, planFile)
	if err != nil { // damaged, of another Terraform, or without the provider that planned
		return planResult{}, fmt.Errorf("%w; run make plan ENV=%s here first", err, stack)
	}
	return planResult{stack: stack, plan: plan}, nil
}
