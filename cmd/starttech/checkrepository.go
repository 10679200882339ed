package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/github"
)

func newCheckRepositoryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check-repository",
		Short: "Compare the settings on GitHub that the roles' trust depends on",
		Long: `Read the settings of this repository and of the application's on GitHub, and compare them with those of docs/deploying.md, "GitHub
settings": the rules of main, the code owners, the environments, and what workflows may do. It prints a line for each that is missing.
It changes nothing.

It needs GITHUB_TOKEN, a token of an administrator of both repositories.`,
		Example: `  GITHUB_TOKEN=$(gh auth token) starttech check-repository`,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return checkRepositories(command.Context(), os.Stdout)
		},
	}
}

// ownedDirectories is the directories that decide what the roles may do, or which workflows run.
var ownedDirectories = []string{"/.github/", "/environments/", "/internal/policy/", "/modules/githubroles/", "/modules/releaserole/"}

// requiredCheck is the job of pull-request.yml that summarizes the others.
const requiredCheck = "passed"

func checkRepositories(ctx context.Context, out io.Writer) error {
	environments, err := config.Load("environments")
	if err != nil {
		return err
	}
	token, err := variable("GITHUB_TOKEN", "GITHUB_TOKEN=$(gh auth token) make check-repository")
	if err != nil {
		return err
	}
	client, err := github.New(token, os.Getenv("GITHUB_API_URL"))
	if err != nil {
		return err
	}
	wanted := map[string]github.Settings{} // by repository
	for _, environment := range environments {
		for _, repository := range []string{environment.Repository, environment.ApplicationRepository} {
			settings := wanted[repository]
			settings.Environments = append(settings.Environments, environment.Name)
			if environment.Name == defaultEnvironment {
				settings.Reviewed = []string{environment.Name}
			}
			if repository == environment.Repository {
				settings.Check, settings.Owned = requiredCheck, ownedDirectories
				settings.IsCalled = environment.ApplicationRepository != repository
			}
			wanted[repository] = settings
		}
	}
	differences := 0
	for _, repository := range slices.Sorted(maps.Keys(wanted)) {
		missing, err := client.CheckSettings(ctx, repository, wanted[repository])
		if err != nil {
			return err
		}
		for _, line := range missing {
			fmt.Fprintln(out, line)
		}
		differences += len(missing)
	}
	if differences > 0 {
		return fmt.Errorf(`%d of the settings are missing: docs/deploying.md has the commands, "GitHub settings"`, differences)
	}
	fmt.Fprintln(out, "The repositories have all settings.")
	return nil
}
