package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
)

// platforms of engineers and pipelines.
var platforms = []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"}

func newProvidersLockCommand(p *project) *cobra.Command {
	return &cobra.Command{
		Use:   "providers-lock",
		Short: "Write the AWS provider's checksums for Linux and macOS into the checkout",
		Long: `Write the AWS provider's checksums for Linux and macOS from the Terraform registry into .terraform.lock.hcl, and commit that
file: from then on, every plan and deploy uses exactly that version.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, s := command.Context(), newSteps(os.Stderr, "make providers-lock")
			if err := p.installTerraform(ctx, s); err != nil {
				return err
			}
			if err := p.synthesizeIfStale(ctx, s); err != nil {
				return err
			}
			environments, err := config.Load("environments")
			if err != nil {
				return err
			}
			binary, err := p.findTerraform(ctx)
			if err != nil {
				return err
			}
			dir := p.stackDir(bootstrapStack(environments, environments[0]))
			stack, err := terraform.Open(dir, terraform.Options{Binary: binary})
			if err != nil {
				return err
			}
			if err := s.do(ctx, "Ask the registry for the provider's checksums", func(*status) error { return stack.LockProviders(ctx, platforms) }); err != nil {
				return err
			}
			if err := copyFile(filepath.Join(dir, terraform.LockFile), filepath.Join(p.root, terraform.LockFile)); err != nil {
				return err
			}
			fmt.Printf("%s is written: commit it\n", terraform.LockFile)
			return nil
		},
	}
}

// checkLockFile returns an error if a pipeline that deploys to AWS has no lock file, which its checkout has only if it is committed.
// Each run would take the newest provider.
func (p *project) checkLockFile() error {
	isLocal := strings.HasPrefix(os.Getenv("AWS_ENDPOINT_URL"), "http://127.0.0.1:")
	if _, err := os.Stat(filepath.Join(p.root, terraform.LockFile)); !errors.Is(err, fs.ErrNotExist) || !inPipeline() || isLocal {
		return nil
	}
	return fmt.Errorf("%s is not committed, so a deploy would take any version of the AWS provider: run make providers-lock and commit the file", terraform.LockFile)
}

// copyLockFile copies the committed lock file, if there is one, into a stack's directory.
func (p *project) copyLockFile(stack string) error {
	err := copyFile(filepath.Join(p.root, terraform.LockFile), filepath.Join(p.stackDir(stack), terraform.LockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
