package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/local"
)

func newEnvCommand(p *project) *cobra.Command {
	return &cobra.Command{
		Use:     "env",
		Short:   "Print the shell commands that point AWS clients to the local AWS",
		Example: `  eval "$(make env)" && aws s3 ls`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			aws, err := local.Load(p.localPath("aws"))
			if err != nil {
				return err
			}
			if aws == nil || !aws.Alive() {
				fmt.Println("false") // so that eval "$(make env)" && ... does not continue with the caller's own account
				return errors.New("the local AWS is not running: start it with make up")
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
		},
	}
}
