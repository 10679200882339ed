package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/operate"
)

func newLogsCommand(p *project) *cobra.Command {
	var q operate.LogQuery
	var since time.Duration
	var follow bool
	var o *operation
	command := &cobra.Command{
		Use:   "logs [backend|boot|access|waf|flow]",
		Short: "Print the log of the backend, of the instances' boot, or of the requests, or query it",
		Long: `Print a log: backend is what the containers write, boot is the boot script of the instances, access is the requests to the load balancer, waf
is the firewall's, with firewall.logs, and flow is the connections in the VPC, with network.flowLogs. Without a name, it is the backend's.

A filter is a pattern of CloudWatch: a word, or { $.level = "ERROR" } for JSON
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html). With --output json, each event is a line.`,
		Example:   "  starttech logs --env production --since 1h --filter ERROR\n  starttech logs boot --env production --instance i-0123456789abcdef0\n  starttech logs --env production --follow",
		ValidArgs: operate.LogNames,
		Args: func(_ *cobra.Command, arguments []string) error {
			names := strings.Join(operate.LogNames, ", ")
			switch {
			case len(arguments) > 1:
				return fmt.Errorf("%q is one too many; allowed: one of %s", arguments[1], names)
			case len(arguments) == 1 && !slices.Contains(operate.LogNames, arguments[0]):
				return fmt.Errorf("%q is not a log; allowed: %s, or the command query", arguments[0], names)
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			q.Log = operate.LogBackend
			if len(arguments) > 0 {
				q.Log = arguments[0]
			}
			if err := checkSince(since); err != nil {
				return err
			}
			q.Since = time.Now().Add(-since)
			return o.printLogs(command.Context(), q, follow)
		},
	}
	command.AddCommand(newLogsQueryCommand(p))
	o = newOperation(p, command)
	command.Flags().DurationVar(&since, "since", 10*time.Minute, "how far to look back")
	command.Flags().StringVar(&q.Filter, "filter", "", "CloudWatch's filter pattern")
	command.Flags().StringVar(&q.Instance, "instance", "", "ID of an instance, with backend and boot")
	command.Flags().StringVar(&q.Release, "release", "", "tag of a release, with backend")
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on until an interrupt")
	return command
}

func (o *operation) printLogs(ctx context.Context, q operate.LogQuery, follow bool) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(os.Stdout)
	found := func(event operate.Event) error {
		if o.format == formatJSON {
			return encoder.Encode(event)
		}
		_, err := fmt.Printf("%s  %s  %s\n", event.Time.Format("15:04:05.000"), event.Stream, event.Message)
		return err
	}
	if follow {
		return e.FollowLogs(ctx, q, found)
	}
	return e.Logs(ctx, q, found)
}

func checkSince(since time.Duration) error {
	if since <= 0 {
		return fmt.Errorf("since: %s is not a time span; allowed: 30m, 2h and the like", since)
	}
	return nil
}
