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

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/internal/tools"
)

func newInstallCommand(p *project) *cobra.Command {
	deploy := false
	command := &cobra.Command{
		Use:   "install",
		Short: "Install what the project needs into the checkout",
		Long: `Install Node.js, cdktf, the local AWS and the linters into the checkout, and Terraform if PATH has no suitable version.
It installs only what is missing or has changed. Other commands install what they need by themselves.

With --deploy, it leaves out the local AWS and the linters, which a plan and a deploy do not need. A job with credentials has no other
programs.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, s := command.Context(), newSteps(os.Stdout, "make install")
			installs := []func(context.Context, steps) error{p.installNode, p.installLocalAWS, p.installLinters, p.installTerraform}
			if deploy {
				installs = []func(context.Context, steps) error{p.installNode, p.installTerraform}
			}
			for _, install := range installs {
				if err := install(ctx, s); err != nil {
					return err
				}
			}
			return nil
		},
	}
	command.Flags().BoolVar(&deploy, "deploy", false, "only what a plan and a deploy need")
	return command
}

// installNode installs Node.js for the constructs, and cdktf for the deploy.
func (p *project) installNode(ctx context.Context, s steps) error {
	return p.installIfStale(tools.NodeModules, "package-lock.json", func() error {
		return s.do(ctx, "Install Node.js and cdktf-cli into "+tools.NodeModules, func(*status) error {
			if _, err := exec.LookPath("npm"); err != nil {
				return errors.New("npm is not on PATH: install Node.js, which includes it (https://nodejs.org)")
			}
			command := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
			command.Dir = p.root
			return runQuietly(command)
		})
	})
}

func (p *project) installLocalAWS(ctx context.Context, s steps) error {
	return p.installPython(ctx, s, "the local AWS", tools.LocalAWS, "local/ministack/requirements.txt")
}

// installLinters uses another virtual environment, because the linters need an older botocore.
func (p *project) installLinters(ctx context.Context, s steps) error {
	return p.installPython(ctx, s, "the linters", tools.Linters, "test/requirements.txt")
}

func (p *project) installTerraform(ctx context.Context, s steps) error {
	_, err := p.findTerraform(ctx)
	if errors.Is(err, terraform.ErrNotFound) {
		return s.do(ctx, "Install Terraform "+tools.Terraform+" into .local", func(*status) error { return terraform.Install(ctx, p.root) })
	}
	return err
}

// installIfStale installs into a directory, unless that was done before from the same list.
func (p *project) installIfStale(dir, list string, install func() error) error {
	want, err := os.ReadFile(filepath.Join(p.root, list))
	if err != nil {
		return err
	}
	stamp := filepath.Join(p.root, dir, ".installed")
	isInstalled := func() bool {
		have, err := os.ReadFile(stamp)
		return err == nil && bytes.Equal(have, want)
	}
	if isInstalled() {
		return nil
	}
	unlock, err := p.lockInstallation()
	if err != nil {
		return err
	}
	defer unlock()
	if isInstalled() { // by another command, in the meantime
		return nil
	}
	if err := install(); err != nil {
		return err
	}
	return os.WriteFile(stamp, want, 0o644)
}

// lockInstallation waits until no other command installs into the checkout, and says so.
func (p *project) lockInstallation() (unlock func(), err error) {
	if err := os.MkdirAll(p.localPath(), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(p.localPath("install.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		fmt.Fprintln(os.Stderr, "Another command is installing into this checkout: waiting for its end ...")
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return func() { file.Close() }, nil
}

func (p *project) installPython(ctx context.Context, s steps, what, dir, list string) error {
	return p.installIfStale(dir, list, func() error {
		return s.do(ctx, "Install "+what+" into "+dir, func(*status) error {
			python := lookPathOutside(p.root, "python3")
			if python == "" {
				return errors.New("python3 is not on PATH: install Python 3.11 or later (https://www.python.org)")
			}
			// checkov's dependencies need 3.11.
			if err := runQuietly(exec.CommandContext(ctx, python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))")); err != nil {
				return fmt.Errorf("%s is older than Python 3.11: put a later version first on PATH (https://www.python.org)", python)
			}
			environment := filepath.Join(p.root, dir)
			if err := os.RemoveAll(environment); err != nil {
				return err
			}
			if err := runQuietly(exec.CommandContext(ctx, python, "-m", "venv", environment)); err != nil {
				return fmt.Errorf("%w\n(on Debian and Ubuntu, install the package python3-venv)", err)
			}
			// Only what is in the list, and no script of a package: a wheel is unpacked.
			pip := exec.CommandContext(ctx, filepath.Join(environment, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check",
				"--require-hashes", "--only-binary", ":all:", "--requirement", list)
			pip.Dir = p.root
			return runQuietly(pip)
		})
	})
}

// lookPathOutside finds a program on PATH that is not in a directory, whose own copy is about to be replaced.
func lookPathOutside(dir, program string) string {
	for _, candidate := range filepath.SplitList(os.Getenv("PATH")) {
		if strings.HasPrefix(candidate, dir) {
			continue
		}
		if found, err := exec.LookPath(filepath.Join(candidate, program)); err == nil {
			return found
		}
	}
	return ""
}
