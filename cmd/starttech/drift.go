package main

import (
	"context"
	"fmt"
)

// What stands above the plan in an issue.
const (
	driftText = "Code and AWS differ: the plan of `%[1]s` changes something.\n\n" +
		"- Somebody changed it outside Terraform: `make deploy ENV=%[1]s` puts it back; or take the change into the code.\n" +
		"- Something merged is not deployed yet: deploy it.\n" +
		"- AWS has a new Amazon Linux image: a deploy rolls it out.\n\n" +
		"The issue closes by itself when the plan is empty.\n\n"
	unknownText = "The plan of `%[1]s` failed, so nobody knows whether code and AWS differ. Put right what it says below; " +
		"the next plan updates this issue.\n\n"
	noDriftText = "The plan of `%[1]s` changes nothing any more."
)

// drift keeps one issue open while the plan of a stack changes anything, or fails, and closes it when not.
func (p *project) drift(ctx context.Context, name string) error {
	if _, err := p.environmentOf(name); err != nil {
		return err
	}
	client, repository, err := ownRepository()
	if err != nil {
		return err
	}
	plan, err := p.lastPlan(ctx, name)
	if err != nil {
		return err
	}
	if err := addToSummary(plan.markdown); err != nil {
		return err
	}

	title, marker := "Drift in "+name, fmt.Sprintf("<!-- starttech drift %s -->", name)
	text := driftText
	switch {
	case plan.failed: // not the same as no drift
		text = unknownText
	case !plan.changes:
		if err := client.CloseIssue(ctx, repository, marker, fmt.Sprintf(noDriftText, name)); err != nil {
			return err
		}
		fmt.Printf("There is no drift in %s.\n", name)
		return nil
	}
	if err := client.OpenIssue(ctx, repository, marker, title, fmt.Sprintf(text, name)+plan.markdown); err != nil {
		return err
	}
	fmt.Printf("The issue %q in %s says what to do.\n", title, repository)
	return nil
}
