package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/operate"
)

func newConnectCommand(p *project) *cobra.Command {
	var o *operation
	command := &cobra.Command{
		Use:   "connect [INSTANCE]",
		Short: "Open a shell on an instance, with Session Manager",
		Long: `Open a shell on an instance, with Session Manager: no key and no open port. Without an instance, it is the first one that is in service.

It needs the AWS CLI and its Session Manager plugin, and backend.sessionManager.`,
		Example: "  starttech connect --env production\n  starttech connect i-0123456789abcdef0 --env production",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			id := ""
			if len(arguments) > 0 {
				id = arguments[0]
			}
			return o.connect(command.Context(), id)
		},
	}
	o = newOperation(p, command)
	return command
}

func (o *operation) connect(ctx context.Context, id string) error {
	for _, name := range []string{"aws", "session-manager-plugin"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is not on PATH: starttech doctor says how to install it", name)
		}
	}
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	if !e.Backend.SessionManager {
		return errors.New(e.Name + " has no Session Manager: backend.sessionManager is false")
	}
	instances, err := e.Instances(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(instances, func(i operate.Instance) bool {
		return i.ID == id || id == "" && i.Lifecycle == "InService"
	})
	switch {
	case at < 0 && id == "":
		return errors.New(e.Name + " has no instance in service")
	case at < 0:
		return fmt.Errorf("%q is not an instance of %s; starttech instances list shows them", id, e.Name)
	}
	command := exec.CommandContext(ctx, "aws", "ssm", "start-session", "--region", e.Region, "--target", instances[at].ID)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return command.Run()
}
