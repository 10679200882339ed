package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/starttech/infrastructure/internal/terraform"
)

// install brings what the project needs into the checkout, and only what is not there yet.
func (p *project) install(ctx context.Context) error {
	return p.installSteps(ctx, steps{ctx: ctx, out: os.Stdout, again: "make install"})
}

func (p *project) installSteps(ctx context.Context, s steps) error {
	if err := p.unlessCurrent("node_modules", "package-lock.json", func() error {
		return s.do("Install Node.js and cdktf-cli into node_modules", func() error { return p.installNode(ctx) })
	}); err != nil {
		return err
	}
	for _, python := range []struct{ what, folder, list string }{
		{"the local AWS", ".venv", "local/ministack/requirements.txt"},
		{"the linters", ".local/checks", "test/requirements.txt"}, // their own, because their botocore is older
	} {
		if err := p.unlessCurrent(python.folder, python.list, func() error {
			return s.do("Install "+python.what+" into "+python.folder, func() error { return p.installPython(ctx, python.folder, python.list) })
		}); err != nil {
			return err
		}
	}
	if _, err := terraform.Find(ctx, p.root); errors.Is(err, terraform.ErrNotFound) {
		return s.do("Install Terraform "+terraform.InstallVersion+" into .local", func() error { return terraform.Install(ctx, p.root) })
	} else if err != nil {
		return err
	}
	return nil
}

// unlessCurrent installs into a folder, unless that was done before from the same list.
func (p *project) unlessCurrent(folder, list string, install func() error) error {
	want, err := os.ReadFile(filepath.Join(p.root, list))
	if err != nil {
		return err
	}
	stamp := filepath.Join(p.root, folder, ".installed")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := install(); err != nil {
		return err
	}
	return os.WriteFile(stamp, want, 0o644)
}

func (p *project) installNode(ctx context.Context) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is not on PATH: install Node.js, which brings it (https://nodejs.org)")
	}
	command := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
	command.Dir = p.root
	return quietly(command)
}

func (p *project) installPython(ctx context.Context, folder, list string) error {
	python := lookOutside(p.root, "python3")
	if python == "" {
		return errors.New("python3 is not on PATH: install Python 3.11 or later (https://www.python.org)")
	}
	// What checkov stands on needs 3.11.
	if err := quietly(exec.CommandContext(ctx, python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))")); err != nil {
		return fmt.Errorf("%s is older than Python 3.11: put a later one first on PATH (https://www.python.org)", python)
	}
	venv := filepath.Join(p.root, folder)
	if err := os.RemoveAll(venv); err != nil {
		return err
	}
	if err := quietly(exec.CommandContext(ctx, python, "-m", "venv", venv)); err != nil {
		return fmt.Errorf("%w\n(on Debian and Ubuntu, the package python3-venv brings the module)", err)
	}
	pip := exec.CommandContext(ctx, filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "--requirement", list)
	pip.Dir = p.root
	return quietly(pip)
}

// lookOutside finds a program on PATH that is not in a folder, which is about to be made anew.
func lookOutside(folder, program string) string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if strings.HasPrefix(dir, folder) {
			continue
		}
		if found, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return found
		}
	}
	return ""
}
