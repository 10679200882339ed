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

	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
)

// Beside a synthesized stack lies its plan, or, where it could not be planned, why not; never both.
const (
	planFile   = "plan"
	failedFile = "plan.failed"
)

// failure is what failedFile says.
type failure struct {
	Message string `json:"message"` // one line
	Output  string `json:"output"`  // Terraform's own words, or the rest of ours
}

// plan shows what a deploy would change, and keeps the plan so that exactly that can be applied, or why there is none.
func (p *project) plan(ctx context.Context, name string) error {
	if _, err := p.environmentOf(name); err != nil { // before anything of that name is removed
		return err
	}
	// An old plan must not pass for the one that fails now.
	if err := p.removePlan(name); err != nil {
		return err
	}
	changes, err := p.newPlan(ctx, name)
	if err != nil {
		return errors.Join(err, p.keepFailure(name, err))
	}
	if changes {
		fmt.Printf("\nTo apply exactly this plan: terraform -chdir=cdktf.out/stacks/%s apply plan\nTo plan anew and apply: make deploy ENV=%s\n", name, name)
	}
	return nil
}

func (p *project) newPlan(ctx context.Context, name string) (changes bool, err error) {
	t, err := p.ready(ctx, name, os.Stdout)
	if err != nil {
		return false, err
	}
	return t.stack.Plan(ctx, filepath.Join(p.stackDir(name), planFile))
}

// removePlan removes what an earlier run left.
func (p *project) removePlan(name string) error {
	for _, file := range []string{planFile, failedFile} {
		if err := os.Remove(filepath.Join(p.stackDir(name), file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// keepFailure writes down why there is no plan. A stack that was never synthesized has no folder to write it to.
func (p *project) keepFailure(name string, err error) error {
	f := failure{Message: err.Error()}
	var known *terraform.Error
	if errors.As(err, &known) {
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
		return err
	}
	if err := p.removePlan(name); err != nil { // Terraform may write one before it fails
		return err
	}
	err = os.WriteFile(filepath.Join(p.stackDir(name), failedFile), content, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// planned is what a run of plan left: a plan, or why there is none.
type planned struct {
	markdown string
	failed   bool
	changes  bool // see report.HasChanges
}

// lastPlan reads what the last run of plan left of a stack, whose name the caller has checked. It needs Terraform, in the
// folder that it planned in, and no credentials.
func (p *project) lastPlan(ctx context.Context, name string) (planned, error) {
	dir := p.stackDir(name)
	content, err := os.ReadFile(filepath.Join(dir, failedFile))
	if err == nil {
		var f failure
		if err := json.Unmarshal(content, &f); err != nil {
			return planned{}, fmt.Errorf("%s: %w", filepath.Join(dir, failedFile), err)
		}
		return planned{markdown: report.Failure(name, f.Message, f.Output), failed: true}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return planned{}, err
	}

	if _, err := os.Stat(filepath.Join(dir, planFile)); errors.Is(err, fs.ErrNotExist) {
		return planned{}, fmt.Errorf("no plan of %s; run make plan ENV=%s first", name, name)
	}
	binary, err := p.terraform(ctx)
	if err != nil {
		return planned{}, err
	}
	stack, err := terraform.Open(dir, terraform.Options{Binary: binary})
	if err != nil {
		return planned{}, err
	}
	plan, err := stack.ShowPlan(ctx, planFile)
	if err != nil { // damaged, of another Terraform, or without the provider that made it
		return planned{}, fmt.Errorf("%w; run make plan ENV=%s here first", err, name)
	}
	return planned{markdown: report.Plan(name, plan), changes: report.HasChanges(plan)}, nil
}
