package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/starttech/infrastructure/internal/capacity"
)

func newCapacityCommand(p *project) *cobra.Command {
	var environment, format string
	load := capacity.DefaultLoad()
	command := &cobra.Command{
		Use:   "capacity",
		Short: "Print what saturates first in an environment, and what raises it",
		Long: `Print what the parts of an environment can serve: the limit of each, what the load needs of it, the key of the environment file that raises
it, and what that costs. What saturates first comes first. Then follows a simulation of the Auto Scaling group if the traffic rises at once:
the seconds of overload with the settings of the file, and with better ones.

The command reads the environment file, and needs neither credentials nor a network. The numbers that are not in the file are assumptions,
and marked with a *, until you give yours:

  --request-time          CPU utilization × vCPUs of all instances / requests a second; the dashboard has the requests of 5 minutes
  --boot-time             from the launch of an instance (aws autoscaling describe-scaling-activities) to its first line in the backend's log
  --vcpu-quota            aws service-quotas get-service-quota --service-code ec2 --quota-code L-1216C47A
  --database-connections  the tier of the cluster in MongoDB Atlas
  --requests-per-user     requests to the API that a user sends in a minute

Without --rps and --users, the load is what backend.maxSize instances serve.

Exit status: 0, also if the load is over a limit; 1 if a value or the environment file is refused.`,
		Example: `  starttech capacity --env production
  starttech capacity --env production --rps 500 --request-time 25ms --vcpu-quota 32
  starttech capacity --env production --users 10000 --requests-per-user 4 --output json`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			flags := command.Flags()
			for _, flag := range []struct {
				name  string
				value float64
			}{{"rps", load.RPS}, {"users", load.Users}} {
				if flags.Changed(flag.name) && flag.value == 0 { // which stands for no particular load
					return fmt.Errorf("%s: 0; allowed: more than 0", flag.name)
				}
			}
			load.Assumed = slices.DeleteFunc(load.Assumed, flags.Changed)
			return p.capacity(environment, format, load)
		},
	}
	addStackFlag(command, &environment, defaultEnvironment)
	addFormatFlag(command, &format)
	flags := command.Flags()
	flags.Float64Var(&load.RPS, "rps", 0, "requests a second")
	flags.Float64Var(&load.Users, "users", 0, "users at the same time, instead of --rps")
	flags.Float64Var(&load.RequestsPerUser, "requests-per-user", load.RequestsPerUser, "requests of a user in a minute")
	flags.DurationVar(&load.RequestTime, "request-time", load.RequestTime, "CPU time of one vCPU for a request")
	flags.DurationVar(&load.BootTime, "boot-time", load.BootTime, "time from the launch of an instance until the container answers")
	flags.IntVar(&load.DatabaseConnections, "database-connections", load.DatabaseConnections, "connections that a node of the database accepts")
	flags.IntVar(&load.VCPUQuota, "vcpu-quota", load.VCPUQuota, "the account's quota of vCPUs, L-1216C47A")
	return command
}

// capacity prints what an environment can serve.
func (p *project) capacity(name, format string, load capacity.Load) error {
	if err := checkFormat(format); err != nil {
		return err
	}
	if isBootstrap(name) {
		return fmt.Errorf("%s serves no traffic; name an environment", name)
	}
	environment, err := p.environment(name)
	if err != nil {
		return err
	}
	report, err := capacity.Of(environment, load)
	if err != nil {
		return err
	}
	if format == formatJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	_, err = fmt.Print(report.Text(term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""))
	return err
}
