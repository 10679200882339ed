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

	"github.com/starttech/infrastructure/internal/tools"
)

// ErrNotFound is the error of Find if there is no Terraform of the required versions.
var ErrNotFound = errors.New("no suitable Terraform")

// Program is the environment variable that names another program than terraform on PATH, such as tofu, which is OpenTofu.
const Program = "TERRAFORM"

// Find returns the path of a Terraform of the required versions, as config.RequiredTerraform: the one that Program names, or else the one on
// PATH, or the one that Install has downloaded into root. An OpenTofu's version is compared as if it were Terraform's, as OpenTofu itself does.
func Find(ctx context.Context, root, required string) (string, error) {
	if name := os.Getenv(Program); name != "" {
		binary, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%s is %q, which is not on PATH", Program, name)
		}
		if binary, err = filepath.Abs(binary); err != nil {
			return "", err
		}
		if err := checkVersion(ctx, binary, required); err != nil {
			return "", fmt.Errorf("%s: %w, and %s is required", Program, err, required)
		}
		return binary, nil
	}
	onPath, pathErr := exec.LookPath("terraform")
	if pathErr == nil {
		if pathErr = checkVersion(ctx, onPath, required); pathErr == nil {
			return onPath, nil
		}
	} else {
		pathErr = errors.New("terraform is not on PATH")
	}
	installed := filepath.Join(root, tools.Binaries, "terraform")
	if checkVersion(ctx, installed, required) == nil {
		return installed, nil
	}
	return "", fmt.Errorf("%w: %w, and Terraform %s is required: run make install, or install it yourself", ErrNotFound, pathErr, required)
}

// Install downloads Terraform from HashiCorp into root.
func Install(ctx context.Context, root string) error {
	dir := filepath.Join(root, tools.Binaries)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "tool", "-modfile=tools.mod", "hc-install", "install", "--version", tools.Terraform, "--path", dir, "terraform")
	command.Dir = root
	if out, err := command.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		return errors.New("install Terraform: go is not on PATH: install Go (https://go.dev/dl), or put Terraform on PATH")
	} else if err != nil {
		return fmt.Errorf("download Terraform %s: %s; check the network, or put it on PATH yourself", tools.Terraform, lastLine(out))
	}
	return nil
}

func checkVersion(ctx context.Context, binary, required string) error {
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
	constraint, err := version.NewConstraint(required)
	if err != nil {
		return err
	}
	if !constraint.Check(found) {
		return fmt.Errorf("%s is version %s", binary, found)
	}
	return nil
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}
