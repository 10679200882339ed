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

	"github.com/starttech/infrastructure/terraform"
)

// install brings what the project needs into the checkout, and only what is not there yet.
func (p *project) install(ctx context.Context) error {
	return p.installSteps(ctx, steps{ctx: ctx, out: os.Stdout, again: "make install"})
}

func (p *project) installSteps(ctx context.Context, s steps) error {
	if err := p.unlessCurrent("node_modules", []string{"package-lock.json"}, func() error {
		return s.do("Install Node.js and cdktf-cli into node_modules", func() error { return p.installNode(ctx) })
	}); err != nil {
		return err
	}
	if err := p.unlessCurrent(".venv", requirements, func() error {
		return s.do("Install the local AWS and shellcheck into .venv", func() error { return p.installPython(ctx) })
	}); err != nil {
		return err
	}
	if _, err := terraform.Find(ctx, p.root); errors.Is(err, terraform.ErrNotFound) {
		return s.do("Install Terraform "+terraform.InstallVersion+" into .local", func() error { return terraform.Install(ctx, p.root) })
	} else if err != nil {
		return err
	}
	return nil
}

// requirements is what Python packages the local AWS and the tests need.
var requirements = []string{"local/requirements.txt", "test/requirements.txt"}

// unlessCurrent installs into a folder, unless that was done before from the same lists.
func (p *project) unlessCurrent(folder string, lists []string, install func() error) error {
	var want []byte
	for _, list := range lists {
		content, err := os.ReadFile(filepath.Join(p.root, list))
		if err != nil {
			return err
		}
		want = append(want, content...)
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

func (p *project) installPython(ctx context.Context) error {
	venv := filepath.Join(p.root, ".venv")
	python := lookOutside(venv, "python3")
	if python == "" {
		return errors.New("python3 is not on PATH: install Python 3.10 or later (https://www.python.org)")
	}
	// botocore and the local AWS need 3.10.
	if err := quietly(exec.CommandContext(ctx, python, "-c", "import sys; sys.exit(sys.version_info < (3, 10))")); err != nil {
		return fmt.Errorf("%s is older than Python 3.10: put a later one first on PATH (https://www.python.org)", python)
	}
	if err := os.RemoveAll(venv); err != nil {
		return err
	}
	if err := quietly(exec.CommandContext(ctx, python, "-m", "venv", venv)); err != nil {
		return fmt.Errorf("%w\n(on Debian and Ubuntu, the package python3-venv brings the module)", err)
	}
	arguments := []string{"install", "--quiet", "--disable-pip-version-check"}
	for _, list := range requirements {
		arguments = append(arguments, "--requirement", list)
	}
	pip := exec.CommandContext(ctx, filepath.Join(venv, "bin", "pip"), arguments...)
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
