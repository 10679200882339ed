package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
)

// platforms that engineers and pipelines run on.
var platforms = []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"}

// lock asks the registry for the provider's checksums on every platform, and keeps them in the checkout.
func (p *project) lock(ctx context.Context) error {
	binary, err := p.terraform(ctx)
	if err != nil {
		return err
	}
	environments, err := config.Load("environments")
	if err != nil {
		return err
	}
	dir := p.stackDir(p.bootstrapOf(environments[0]))
	stack, err := terraform.Open(dir, terraform.Options{Binary: binary, Output: os.Stdout})
	if err != nil {
		return err
	}
	if err := stack.LockProviders(ctx, platforms); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(dir, terraform.LockFile), filepath.Join(p.root, terraform.LockFile)); err != nil {
		return err
	}
	fmt.Printf("\n%s is written: commit it\n", terraform.LockFile)
	return nil
}

// copyLock puts the committed record, where there is one, beside a stack.
func (p *project) copyLock(stack string) error {
	err := copyFile(filepath.Join(p.root, terraform.LockFile), filepath.Join(p.stackDir(stack), terraform.LockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}
