package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/release"
	"github.com/starttech/infrastructure/internal/report"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
)

// applying is the file in .local/aws that exists while up applies. It contains the process ID.
const applying = "applying"

// defaultEnvironment is the environment of commands that change nothing on AWS.
const defaultEnvironment = "production"

func newUpCommand(p *project) *cobra.Command {
	var stack, port string
	var app application
	command := &cobra.Command{
		Use:   "up",
		Short: "Run an environment and an application on a local AWS",
		Long: `Start a local AWS, plan and apply an environment there, and release the example application to it: no account, no cost.
It ends with the address of the site. Run it again after a change, and it applies the change. The first time takes about six
minutes.`,
		Example: `  starttech up
  starttech up --env staging --port 4567
  starttech up --app none                         # only the infrastructure
  starttech up --image backend.tar --site dist    # an application of your own: a file of docker save, and a built frontend`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.up(command.Context(), stack, port, app)
		},
	}
	addStackFlag(command, &stack, defaultEnvironment)
	command.Flags().StringVar(&port, "port", "", fmt.Sprintf("port of the local AWS (default %d)", local.DefaultPort))
	app.addFlags(command)
	return command
}

// up begins by pointing this process, and so every process that it starts, away from the caller's own AWS account.
func (p *project) up(ctx context.Context, name, portText string, app application) error {
	environment, err := p.environment(name)
	if err != nil {
		return err
	}
	if isBootstrap(name) {
		return fmt.Errorf("up creates %s itself; name an environment", name)
	}
	port, err := parsePort(portText)
	if err != nil {
		return err
	}
	app.site = p.callerPath(app.site)
	if err := app.check(ctx); err != nil {
		return err
	}
	fmt.Println(localDifference(runtime.GOOS))
	s := newSteps(os.Stdout, "make up")
	for _, install := range []func(context.Context, steps) error{p.installNode, p.installLocalAWS, p.installTerraform} {
		if err := install(ctx, s); err != nil {
			return err
		}
	}
	if err := p.synthesizeIfStale(ctx, s); err != nil {
		return err
	}
	if err := s.do(ctx, "Build the programs of the instances", func(*status) error { return p.buildInstancePrograms(ctx) }); err != nil {
		return err
	}
	if err := s.do(ctx, "Start the local AWS", func(*status) error { return p.startLocalAWS(ctx, environment, port) }); err != nil {
		return err
	}
	built := app.build(ctx, p, release.ThisMachine)
	outputs, err := p.applyLocally(ctx, s, environment)
	// Terraform has written its state, whether or not it has succeeded.
	if err := os.Remove(p.localPath("aws", applying)); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return p.releaseLocally(ctx, s, environment, outputs, built)
}

// localDifference returns a line about the addresses of the local AWS, which differ from those of AWS.
func localDifference(system string) string {
	if system == "linux" {
		return "On the local AWS, each instance has its own address in 127.64.0.0/10, and its containers get a free port in PORT."
	}
	return "On macOS, where the local AWS has not been tried, there is only 127.0.0.1, so the published ports differ."
}

// applyLocally applies bootstrap and an environment on the local AWS, and returns the outputs.
func (p *project) applyLocally(ctx context.Context, s steps, environment config.Environment) (map[string]*tfjson.StateOutput, error) {
	name := environment.Name
	binary, err := p.findTerraform(ctx)
	if err != nil {
		return nil, err
	}
	bootstrap, err := p.bootstrap(environment)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(p.localPath("aws", "terraform.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.log = ".local/aws/terraform.log"
	options := terraform.Options{Binary: binary, Output: log, DataDir: p.localPath("aws", "terraform-bootstrap"), Bootstrap: bootstrap}

	if err := s.do(ctx, "Create state bucket, lock table and roles ("+bootstrap+")", func(current *status) error {
		if err := p.copyLockFile(bootstrap); err != nil {
			return err
		}
		done, err := terraform.Bootstrap(ctx, p.stackDir(bootstrap), p.localPath("aws", "bootstrap"), options, s.applyUnasked(ctx, current))
		if done || err != nil {
			return err
		}
		return update(ctx, p.stackDir(bootstrap), p.localPath("aws", "bootstrap.plan"), options) // of an earlier up
	}); err != nil {
		return nil, err
	}

	options.DataDir = p.localPath("aws", "terraform-"+name)
	stack, err := terraform.Open(p.stackDir(name), options)
	if err != nil {
		return nil, err
	}
	file := p.localPath("aws", name+".plan")
	var plan *tfjson.Plan
	if err := s.do(ctx, "Plan "+name, func(*status) error {
		if err := p.copyLockFile(name); err != nil {
			return err
		}
		plan, _, err = stack.NewPlan(ctx, file, terraform.PlanOptions{Lock: true, Untaint: true})
		return err
	}); err != nil {
		return nil, err
	}
	count := report.CountOf(plan)
	if err := s.apply(ctx, "Apply "+name+" ("+summary(plan)+")", stack, count.Total(), func(ctx context.Context) error {
		return stack.Apply(ctx, file)
	}); err != nil {
		return nil, err
	}

	return stack.StateOutputs(ctx)
}

// update applies the changes of a stack, if there are any.
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

// parsePort is the port that the caller asks for; 0 if any port will do.
func parsePort(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1024 || port > 65535 {
		return 0, fmt.Errorf("port: %q is not a port from 1024 to 65535", text)
	}
	return port, nil
}

// startLocalAWS starts the local AWS unless it is running, and points this process's AWS clients to it.
func (p *project) startLocalAWS(ctx context.Context, environment config.Environment, port int) error {
	aws, err := local.Load(p.localPath("aws"))
	if err != nil {
		return err
	}
	killed, err := p.wasKilled()
	if err != nil {
		return err
	}
	if aws != nil && aws.Alive() && port != 0 && port != aws.Port {
		return fmt.Errorf("it is already running on port %d: leave out the port, or run make down first", aws.Port)
	}
	// An emulator that has ended has lost its resources. After a killed up, resources can exist that are not in Terraform's state.
	if aws == nil || !aws.Alive() || aws.Account != environment.Account || killed {
		if err := p.removeLocalAWS(aws); err != nil {
			return err
		}
		if port == 0 {
			port = local.DefaultPort
		}
		aws, err = local.Start(ctx, local.Options{
			Root: p.root, Dir: p.localPath("aws"), Account: environment.Account, Region: environment.Region, Port: port,
			Instances: p.localPath("aws", "instances"), InstanceProgram: p.instanceProgram("instance"), RedisProgram: p.instanceProgram("redis"),
		})
		if err != nil {
			return err
		}
		if err := aws.Save(p.localPath("aws")); err != nil {
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
	return os.WriteFile(p.localPath("aws", applying), []byte(strconv.Itoa(os.Getpid())), 0o644)
}

// wasKilled reports whether an earlier up was killed while it applied. It returns an error if that up is still running.
func (p *project) wasKilled() (bool, error) {
	content, err := os.ReadFile(p.localPath("aws", applying))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	running, err := local.Processes(filepath.Base(os.Args[0]) + " up")
	if err != nil {
		return false, err
	}
	if pid, err := strconv.Atoi(string(content)); err == nil && running[pid] != "" {
		return false, fmt.Errorf("make up is already running in this checkout: process %d", pid)
	}
	return true, nil
}

// summary is the counts of a plan, "82 to add, 0 to change, 0 to destroy", with the addresses if there are up to three.
func summary(plan *tfjson.Plan) string {
	var addresses []string
	for _, resource := range plan.ResourceChanges {
		if actions := resource.Change.Actions; resource.Mode == tfjson.ManagedResourceMode && !actions.NoOp() && !actions.Read() {
			addresses = append(addresses, resource.Address)
		}
	}
	text := report.CountOf(plan).String()
	if len(addresses) > 0 && len(addresses) <= 3 {
		text += ": " + strings.Join(addresses, ", ")
	}
	return text
}
