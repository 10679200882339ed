// Package terraform runs Terraform on synthesized stacks, and says in one line what to do when it refuses.
package terraform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hashicorp/go-version"
)

// Constraint is the Terraform versions that the stacks accept; backend.go writes the same into every stack.
const Constraint = ">= 1.7.0"

// InstallVersion is what is installed where PATH has no Terraform that fits.
const InstallVersion = "1.11.4"

// ErrNotFound says that there is no Terraform that fits.
var ErrNotFound = errors.New("no Terraform that fits")

// Find is the path of a Terraform that fits: PATH's, or the one that Install put into root.
func Find(ctx context.Context, root string) (string, error) {
	onPath, pathErr := exec.LookPath("terraform")
	if pathErr == nil {
		if pathErr = fits(ctx, onPath); pathErr == nil {
			return onPath, nil
		}
	} else {
		pathErr = errors.New("terraform is not on PATH")
	}
	own := filepath.Join(installDir(root), "terraform")
	if fits(ctx, own) == nil {
		return own, nil
	}
	return "", fmt.Errorf("%w: %w, and Terraform %s is needed: run make install, or install it yourself", ErrNotFound, pathErr, Constraint)
}

// Install downloads Terraform from HashiCorp into root.
func Install(ctx context.Context, root string) error {
	dir := installDir(root)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "tool", "-modfile=tools.mod", "hc-install", "install", "--version", InstallVersion, "--path", dir, "terraform")
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("download Terraform %s: %s; check the network, or put a Terraform %s on PATH", InstallVersion, lastLine(out), Constraint)
	}
	return nil
}

func installDir(root string) string { return filepath.Join(root, ".local", "bin") }

func fits(ctx context.Context, binary string) error {
	out, err := exec.CommandContext(ctx, binary, "version", "-json").Output()
	if err != nil {
		return fmt.Errorf("%s does not run: %w", binary, err)
	}
	var answer struct {
		Version string `json:"terraform_version"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return fmt.Errorf("%s is not Terraform: %w", binary, err)
	}
	found, err := version.NewVersion(answer.Version)
	if err != nil {
		return fmt.Errorf("%s: version %q: %w", binary, answer.Version, err)
	}
	allowed, err := version.NewConstraint(Constraint)
	if err != nil {
		return err
	}
	if !allowed.Check(found) {
		return fmt.Errorf("%s is version %s", binary, found)
	}
	return nil
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}
