package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/release"
	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
)

func newLifeCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "life",
		Short: "Test an account: deploy an environment, release to it, destroy it",
		Long: `Take an environment through its life in the caller's account, after asking: deploy it, plan again, release the example application,
request the site, destroy everything. It shows what only AWS can show (docs/decisions/evidence.md).

It refuses an environment that has anything in its state, or whose deletionProtection is on. If a step fails, or at an interrupt, it
destroys what there is. The account's bootstrap stack, which it creates unless it exists, stays. It needs the AWS CLI.`,
		Example: "  starttech life --env sandbox",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.life(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, "")
	return command
}

// lifeCost is what a life costs in eu-west-1, with production's sizes (docs/decisions/evidence.md).
const lifeCost = "about an hour, and less than 1 USD"

func (p *project) life(ctx context.Context, name string) error {
	environment, err := p.environment(name)
	switch {
	case err != nil:
		return err
	case isBootstrap(name):
		return fmt.Errorf("%s has no life: it stays; name an environment", name)
	case environment.DeletionProtection:
		return fmt.Errorf("%s: deletionProtection is true, and a life ends with a destroy; allowed: an environment of its own with deletionProtection: false", name)
	}
	if err := checkPerson("life"); err != nil {
		return err
	}
	aws, err := p.callersLocalAWS()
	if err != nil {
		return err
	}
	log, err := p.logFile("life", name)
	if err != nil {
		return err
	}
	defer log.Close()
	s := newSteps(os.Stdout, "")
	if err := p.installTerraform(ctx, s); err != nil {
		return err
	}
	stack, err := p.openStack(ctx, s, name, log, log)
	if err != nil {
		return err
	}
	s.log = ".local/log/" + name + ".log"
	if err := s.do(ctx, "Read the state of "+name, func(*status) error { return checkEmpty(ctx, stack) }); err != nil {
		return err
	}
	question := fmt.Sprintf("Deploy %s to %s, and destroy it again? It takes %s.\n%s, which it creates unless it exists, stays.",
		name, stack.account(), lifeCost, stack.options.Bootstrap)
	if err := approve(ctx, question, name); err != nil {
		return err
	}
	fmt.Println()
	os.Setenv("AWS_REGION", environment.Region) // of the AWS CLI

	if err := p.bootstrapForLife(ctx, s, stack); err != nil {
		return err
	}
	file := filepath.Join(p.stackDir(name), "plan.life")
	defer os.Remove(file)
	var plan *tfjson.Plan
	if err := s.do(ctx, "Plan "+name, func(*status) error {
		plan, _, err = stack.NewPlan(ctx, file, terraform.PlanOptions{Lock: true})
		if err == nil {
			err = checkNoResources(name, plan.PriorState) // somebody may have deployed it since
		}
		return err
	}); err != nil {
		return err
	}

	failure := p.deployAndRelease(ctx, s, stack, file, report.CountOf(plan), aws)
	// It is destroyed after an interrupt as well.
	if err := p.endLife(context.WithoutCancel(ctx), s, stack, file); err != nil {
		return fmt.Errorf("%w\n%s is not destroyed: run make destroy ENV=%s", errors.Join(failure, err), name, name)
	}
	if err := cmp.Or(failure, context.Cause(ctx)); err != nil {
		return fmt.Errorf("%w\n%s is destroyed", err, name)
	}
	fmt.Printf("\n%s has lived in account %s: deployed, unchanged by a second plan, released, reachable, destroyed.\n", name, environment.Account)
	return nil
}

// checkEmpty returns an error if the stack has anything in its state, whatever a plan would change. A life ends with a destroy.
func checkEmpty(ctx context.Context, stack session) error {
	state, err := stack.State(ctx)
	if errors.Is(err, terraform.ErrNoStateBucket) { // a new account
		return nil
	} else if err != nil {
		return err
	}
	return checkNoResources(stack.Name, state)
}

// checkNoResources returns an error if a state has resources. state may be nil.
func checkNoResources(name string, state *tfjson.State) error {
	if state == nil || state.Values == nil || state.Values.RootModule == nil {
		return nil
	}
	count := 0
	for _, resource := range state.Values.RootModule.Resources {
		if resource.Mode == tfjson.ManagedResourceMode {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	return fmt.Errorf("%s is deployed: its state has %d resources; allowed: an environment of its own. If an earlier life has left them: make destroy ENV=%[1]s", name, count)
}

// deployAndRelease is a life without its end. file is a plan with a count of changes.
func (p *project) deployAndRelease(ctx context.Context, s steps, stack session, file string, count report.Count, aws *local.AWS) (err error) {
	if err := s.apply(ctx, fmt.Sprintf("Deploy %s (%d resources)", stack.Name, count.Add), stack.Stack, count.Add, func(ctx context.Context) error {
		return stack.Apply(ctx, file)
	}); err != nil {
		return err
	}
	if err := s.do(ctx, "Plan again: nothing to change", func(*status) error {
		plan, changes, err := stack.NewPlan(ctx, file, terraform.PlanOptions{Lock: true})
		if err == nil && changes {
			err = fmt.Errorf("the second plan is not empty: %s", summary(plan))
		}
		return err
	}); err != nil {
		return err
	}
	outputs, err := stack.StateOutputs(ctx)
	if err != nil {
		return err
	}
	if err := p.testSite(ctx, s, stack.environment, outputs, aws); err != nil {
		return err
	}
	// The release needs these. Terraform does not know the parameter, and destroys the secret.
	e, err := operate.OpenWith(ctx, stack.environment, operateOutputs(outputs))
	if err != nil {
		return err
	}
	created, err := createVariables(ctx, e)
	if err != nil {
		return err
	}
	if created { // otherwise it is an operator's, for a later deploy
		defer func() {
			err = errors.Join(err, e.DeleteParameter(context.WithoutCancel(ctx), jwtSecret))
		}()
	}
	app, platform := application{name: exampleApplication}, release.Instances
	if aws != nil {
		platform = release.ThisMachine
	}
	if _, err := p.release(ctx, s, stack.environment, outputs, aws, app.build(ctx, p, platform)); err != nil {
		return err
	}
	return p.testSite(ctx, s, stack.environment, outputs, aws)
}

// callersLocalAWS returns the local AWS of this checkout if the caller's AWS clients are pointed to it; nil otherwise.
func (p *project) callersLocalAWS() (*local.AWS, error) {
	aws, err := local.Load(p.localPath("aws"))
	if err != nil || aws == nil || aws.Endpoint() != os.Getenv("AWS_ENDPOINT_URL") {
		return nil, err
	}
	return aws, nil
}

// bootstrapForLife creates the bootstrap stack of the account, unless it exists.
func (p *project) bootstrapForLife(ctx context.Context, s steps, stack session) error {
	name := stack.options.Bootstrap
	return s.do(ctx, "Create "+name+", unless it exists", func(current *status) error {
		if err := p.copyLockFile(name); err != nil {
			return err
		}
		_, err := terraform.Bootstrap(ctx, p.stackDir(name), p.localPath("bootstrap-"+stack.environment.Account), stack.options, s.applyUnasked(ctx, current))
		return err
	})
}

// testSite requests the deployed site.
func (p *project) testSite(ctx context.Context, s steps, environment config.Environment, outputs map[string]*tfjson.StateOutput, aws *local.AWS) error {
	site, err := stringOutput(environment.Name, outputs, "site_url")
	if err != nil {
		return err
	}
	site, check := newSiteCheck(site, aws, io.Discard)
	return s.do(ctx, "Request the site", func(*status) error {
		return check.run(ctx, site, environment.LoadBalancer.HealthCheckPath, environment.Frontend.APIPaths)
	})
}

// endLife destroys the environment, and requires that nothing of it is left in the state.
func (p *project) endLife(ctx context.Context, s steps, stack session, file string) error {
	return s.do(ctx, "Destroy "+stack.Name, func(current *status) error {
		plan, changes, err := stack.NewPlan(ctx, file, terraform.PlanOptions{Lock: true, Destroy: true})
		if err != nil || !changes {
			return err
		}
		stack.OnProgress(current.apply(report.CountOf(plan).Destroy))
		defer s.explainSignals(stack.Stack, current)()
		if err := stack.Apply(ctx, file); err != nil {
			return err
		}
		if plan, changes, err = stack.NewPlan(ctx, file, terraform.PlanOptions{Lock: true, Destroy: true}); err == nil && changes {
			err = fmt.Errorf("something is left: %s", summary(plan))
		}
		return err
	})
}
