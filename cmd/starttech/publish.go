package main

import (
	"context"
	"fmt"
	"os"

	"github.com/starttech/infrastructure/internal/github"
)

// published is what the application's pipeline gets to know, as variables and secrets of its GitHub environment.
var published = []struct {
	name   string
	output string
	secret bool
}{
	{name: "AWS_REGION", output: "aws_region"},
	{name: "SITE_URL", output: "site_url"},
	{name: "ECR_REPOSITORY", output: "ecr_repository_url"},
	{name: "RELEASE_PARAMETER", output: "release_parameter"},
	{name: "AUTO_SCALING_GROUP", output: "auto_scaling_group_name"},
	{name: "FRONTEND_BUCKET", output: "frontend_bucket"},
	{name: "DISTRIBUTION_ID", output: "distribution_id"},
	{name: "VITE_API_BASE_URL", output: "site_url"},                  // page and API share one name
	{name: "RELEASE_ROLE", output: "release_role_arn", secret: true}, // what gives access; GitHub masks a secret in logs
}

// publish writes a stack's outputs into the application's repository.
func (p *project) publish(ctx context.Context, name string) error {
	if isBootstrap(name) {
		return fmt.Errorf("%s has nothing to publish; name an environment", name)
	}
	environment, err := p.environmentOf(name)
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
	_, outputs, err := p.outputsOf(ctx, name)
	if err != nil {
		return err
	}
	variables, secrets := map[string]string{}, map[string]string{}
	for _, one := range published {
		value, err := outputOf(name, outputs, one.output)
		if err != nil {
			return err
		}
		if one.secret {
			secrets[one.name] = value
		} else {
			variables[one.name] = value
		}
	}
	if err := client.Publish(ctx, environment.ApplicationRepository, name, variables, secrets); err != nil {
		return err
	}
	fmt.Printf("The environment %s of %s has the outputs: %d variables, %d secret.\n", name, environment.ApplicationRepository, len(variables), len(secrets))
	return nil
}
