package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/terraform"
)

// up plans and applies an environment on a local AWS, from nothing to a table of addresses. It begins by turning
// this process, and so everything that it starts, away from the caller's own AWS account.
func (p *project) up(ctx context.Context, name string) error {
	environment, err := p.environmentOf(name)
	if err != nil {
		return err
	}
	if isBootstrap(name) {
		return fmt.Errorf("up makes %s itself; name an environment", name)
	}
	s := steps{os.Stdout, "make up", ""}
	if err := p.installSteps(ctx, s); err != nil {
		return err
	}
	if err := p.synthesize(ctx, s); err != nil {
		return err
	}
	if err := s.do("Start the local AWS", func() error { return p.startLocal(ctx, environment.Account) }); err != nil {
		return err
	}

	binary, err := p.terraform(ctx)
	if err != nil {
		return err
	}
	log, err := os.Create(p.work("aws", "terraform.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.log = ".local/aws/terraform.log"
	options := terraform.Options{Binary: binary, Output: log, DataDir: p.work("aws", "terraform-bootstrap")}

	bootstrap := p.bootstrapOf(environment)
	if err := s.do("Create the state bucket and the lock table ("+bootstrap+")", func() error {
		if err := p.copyLock(bootstrap); err != nil {
			return err
		}
		_, err := terraform.Bootstrap(ctx, p.stackDir(bootstrap), p.work("aws", "bootstrap"), options, nil)
		return err
	}); err != nil {
		return err
	}

	options.DataDir = p.work("aws", "terraform-"+name)
	stack, err := terraform.Open(p.stackDir(name), options)
	if err != nil {
		return err
	}
	plan := p.work("aws", name+".plan")
	if err := s.do("Plan "+name, func() error {
		if err := p.copyLock(name); err != nil {
			return err
		}
		if err := stack.Init(ctx); err != nil {
			return err
		}
		if err := stack.KeepProtected(ctx); err != nil {
			return err
		}
		_, err := stack.Plan(ctx, plan)
		return err
	}); err != nil {
		return err
	}
	what, err := summary(ctx, stack, plan)
	if err != nil {
		return err
	}
	if err := s.do("Apply "+name+" ("+what+")", func() error { return stack.Apply(ctx, plan) }); err != nil {
		return err
	}

	outputs, err := stack.Outputs(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s stands on the local AWS:\n\n", name)
	printTable(outputs)
	fmt.Printf(`
What to do next
  look at it    eval "$(make env)", then any AWS client or make plan ENV=%s
  change it     edit environments/%s.yaml and run make up again
  test it       make test
  remove it     make down
`, name, name)
	return nil
}

// startLocal starts the local AWS, or finds it running, and sends this process's AWS clients there.
func (p *project) startLocal(ctx context.Context, account string) error {
	aws, err := local.Saved(p.work("aws"))
	if err != nil {
		return err
	}
	if aws == nil || !aws.Alive() || aws.Account != account {
		if err := p.down(); err != nil { // what a dead emulator left behind is of no use: it forgets everything
			return err
		}
		port := local.DefaultPort
		if wanted := os.Getenv("PORT"); wanted != "" {
			if port, err = strconv.Atoi(wanted); err != nil || port < 1024 || port > 65535 {
				return fmt.Errorf("PORT: %q is not a port from 1024 to 65535", wanted)
			}
		}
		aws, err = local.Start(ctx, local.Options{Root: p.root, Dir: p.work("aws"), Account: account, Port: port})
		if err != nil {
			return err
		}
		if err := aws.Save(p.work("aws")); err != nil {
			return err
		}
	}
	for name, value := range aws.Env() {
		if value == "" {
			os.Unsetenv(name)
		} else {
			os.Setenv(name, value)
		}
	}
	return nil
}

// down stops the local AWS and removes everything that up made, but for what it installed.
func (p *project) down() error {
	aws, err := local.Saved(p.work("aws"))
	if err != nil {
		return err
	}
	if aws != nil {
		if err := aws.Stop(); err != nil {
			return err
		}
	}
	return os.RemoveAll(p.work("aws"))
}

// env prints the shell's commands that send AWS clients to the local AWS.
func (p *project) env() error {
	aws, err := local.Saved(p.work("aws"))
	if err != nil {
		return err
	}
	if aws == nil || !aws.Alive() {
		return fmt.Errorf("the local AWS does not run: start it with make up")
	}
	for _, name := range slices.Sorted(maps.Keys(aws.Env())) {
		if value := aws.Env()[name]; value == "" {
			fmt.Printf("unset %s\n", name)
		} else {
			fmt.Printf("export %s=%s\n", name, value)
		}
	}
	return nil
}

// bootstrapOf is the stack that keeps the state of an environment.
func (p *project) bootstrapOf(environment config.Environment) string {
	own := config.BootstrapStack + "-" + environment.Account
	if _, err := os.Stat(p.stackDir(own)); err == nil {
		return own
	}
	return config.BootstrapStack
}

// summary counts what a plan would do: "82 to add, 0 to change, 0 to destroy".
func summary(ctx context.Context, stack *terraform.Stack, file string) (string, error) {
	plan, err := stack.ShowPlan(ctx, file)
	if err != nil {
		return "", err
	}
	add, change, destroy := 0, 0, 0
	for _, resource := range plan.ResourceChanges {
		actions := resource.Change.Actions
		switch {
		case actions.Replace():
			add, destroy = add+1, destroy+1
		case actions.Create():
			add++
		case actions.Update():
			change++
		case actions.Delete():
			destroy++
		}
	}
	return fmt.Sprintf("%d to add, %d to change, %d to destroy", add, change, destroy), nil
}

// printTable lists outputs by name.
func printTable(outputs map[string]any) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		text := fmt.Sprint(outputs[name])
		if list, ok := outputs[name].([]any); ok {
			text = strings.Trim(fmt.Sprint(list), "[]")
		}
		fmt.Fprintf(table, "  %s\t%s\n", strings.ReplaceAll(name, "_", " "), text)
	}
	table.Flush()
}
