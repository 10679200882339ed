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
	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
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
	port, err := wantedPort()
	if err != nil {
		return err
	}
	s := steps{ctx: ctx, out: os.Stdout, again: "make up"}
	if err := p.installSteps(ctx, s); err != nil {
		return err
	}
	if err := p.synthesize(ctx, s); err != nil {
		return err
	}
	if err := s.do("Start the local AWS", func() error { return p.startLocal(ctx, environment, port) }); err != nil {
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
	if err := s.do("Create state bucket, lock table and roles ("+bootstrap+")", func() error {
		if err := p.copyLock(bootstrap); err != nil {
			return err
		}
		done, err := terraform.Bootstrap(ctx, p.stackDir(bootstrap), p.work("aws", "bootstrap"), options, nil)
		if done || err != nil {
			return err
		}
		return update(ctx, p.stackDir(bootstrap), p.work("aws", "bootstrap.plan"), options) // of an earlier up
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
	site, _ := outputs["site_url"].(string)
	fmt.Printf("\n%s stands on the local AWS:\n\n", name)
	printTable(outputs)
	fmt.Printf(`
What to do next
  look at it    eval "$(make env)", then any AWS client or make plan ENV=%s
  visit it      curl -H 'Host: %s' -H 'X-Forwarded-Proto: https' %s/
                (403 until there is an index.html in the frontend bucket; nothing answers behind the load balancer)
  change it     edit environments/%s.yaml and run make up again
  test it       make test
  remove it     make down
`, name, strings.TrimPrefix(site, "https://"), os.Getenv("AWS_ENDPOINT_URL"), name)
	return nil
}

// update applies what a plan of a stack changes, if anything.
func update(ctx context.Context, dir, plan string, options terraform.Options) error {
	stack, err := terraform.Open(dir, options)
	if err != nil {
		return err
	}
	if err := stack.Init(ctx); err != nil {
		return err
	}
	changes, err := stack.Plan(ctx, plan)
	if err != nil || !changes {
		return err
	}
	return stack.Apply(ctx, plan)
}

// wantedPort is the port that the caller asks for; 0 where it does not matter.
func wantedPort() (int, error) {
	wanted := os.Getenv("PORT")
	if wanted == "" {
		return 0, nil
	}
	port, err := strconv.Atoi(wanted)
	if err != nil || port < 1024 || port > 65535 {
		return 0, fmt.Errorf("PORT: %q is not a port from 1024 to 65535", wanted)
	}
	return port, nil
}

// startLocal starts the local AWS, or finds it running, and sends this process's AWS clients there.
func (p *project) startLocal(ctx context.Context, environment config.Environment, port int) error {
	aws, err := local.Load(p.work("aws"))
	if err != nil {
		return err
	}
	if aws != nil && aws.Alive() && port != 0 && port != aws.Port {
		return fmt.Errorf("it runs on port %d already: leave PORT away, or run make down first", aws.Port)
	}
	if aws == nil || !aws.Alive() || aws.Account != environment.Account {
		if err := p.remove(aws); err != nil { // what a dead emulator left behind is of no use: it forgets everything
			return err
		}
		if port == 0 {
			port = local.DefaultPort
		}
		aws, err = local.Start(ctx, local.Options{Root: p.root, Dir: p.work("aws"), Account: environment.Account, Region: environment.Region, Port: port})
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
	aws, err := local.Load(p.work("aws"))
	if err != nil {
		return err
	}
	if err := p.remove(aws); err != nil {
		return err
	}
	if aws == nil {
		fmt.Println("There is no local AWS.")
	} else {
		fmt.Println("The local AWS is gone. A shell that took its settings from make env still has them: open another.")
	}
	return nil
}

// remove stops an emulator, where there is one, and removes what up kept of it.
func (p *project) remove(aws *local.AWS) error {
	if aws != nil {
		if err := aws.Stop(); err != nil {
			return err
		}
	}
	return os.RemoveAll(p.work("aws"))
}

// env prints the shell's commands that send AWS clients to the local AWS.
func (p *project) env() error {
	aws, err := local.Load(p.work("aws"))
	if err != nil {
		return err
	}
	if aws == nil || !aws.Alive() {
		fmt.Println("false") // so that eval "$(make env)" && ... does not go on with the caller's own account
		return fmt.Errorf("the local AWS does not run: start it with make up")
	}
	env := aws.Env()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if value := env[name]; value == "" {
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

// summary counts what a plan would do, "82 to add, 0 to change, 0 to destroy", and names it where it is little.
func summary(ctx context.Context, stack *terraform.Stack, file string) (string, error) {
	plan, err := stack.ShowPlan(ctx, file)
	if err != nil {
		return "", err
	}
	var addresses []string
	for _, resource := range plan.ResourceChanges {
		if actions := resource.Change.Actions; actions.Replace() || actions.Create() || actions.Update() || actions.Delete() {
			addresses = append(addresses, resource.Address)
		}
	}
	text := report.CountOf(plan).String()
	if len(addresses) > 0 && len(addresses) <= 3 {
		text += ": " + strings.Join(addresses, ", ")
	}
	return text, nil
}

// printTable lists outputs by name.
func printTable(outputs map[string]any) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		text := fmt.Sprint(outputs[name])
		if list, ok := outputs[name].([]any); ok {
			text = strings.Trim(fmt.Sprint(list), "[]")
		}
		fmt.Fprintf(table, "  %s\t%s\n", name, text)
	}
	table.Flush()
}
