package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/github"
)

func newPublishOutputsCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "publish-outputs",
		Short: "Write the outputs into the application's repository on GitHub",
		Long: `Write the outputs that starttech outputs has saved as variables and secrets of the GitHub environment of the same name in the
application's repository.

It needs APPLICATION_REPOSITORY_TOKEN, a fine-grained token for that repository. It runs no other program, which could read it.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.publishOutputs(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, "")
	return command
}

func (p *project) publishOutputs(ctx context.Context, name string) error {
	if isBootstrap(name) {
		return fmt.Errorf("%s has nothing to publish; name an environment", name)
	}
	environment, err := p.environment(name)
	if err != nil {
		return err
	}
	token, err := variable("APPLICATION_REPOSITORY_TOKEN", "a fine-grained token for "+environment.ApplicationRepository+" with "+github.PublishPermissions)
	if err != nil {
		return err
	}
	client, err := github.New(token, os.Getenv("GITHUB_API_URL"))
	if err != nil {
		return err
	}
	outputs, err := p.loadOutputs(name)
	if err != nil {
		return err
	}
	variables, secrets := map[string]string{}, map[string]string{}
	for _, published := range github.PublishedOutputs {
		if output := outputs[published.Output]; output != nil && output.Sensitive {
			return fmt.Errorf("output %s of %s is sensitive, so it is not published as %s", published.Output, name, published.Name)
		}
		value, err := stringOutput(name, outputs, published.Output)
		if err != nil {
			return err
		}
		if published.Secret {
			secrets[published.Name] = value
		} else {
			variables[published.Name] = value
		}
	}
	if err := client.Publish(ctx, environment.ApplicationRepository, name, variables, secrets); err != nil {
		return err
	}
	fmt.Printf("The environment %s of %s has the outputs: %d variables, %d secrets.\n", name, environment.ApplicationRepository, len(variables), len(secrets))
	return nil
}
