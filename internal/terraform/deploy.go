package terraform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/starttech/infrastructure/internal/secrets"
)

// Deploy applies a plan file with `cdktf deploy`. Pipelines deploy this way, because the users of this project asked for `cdktf deploy`. It
// runs terraform apply without a plan file, and would plan again, so the Terraform that it runs is a script that adds the plan file.
//
// Like Apply, it does not end if ctx is cancelled. cdktf aborts Terraform as soon as it gets an interrupt, and leaves the state locked.
func (s *Stack) Deploy(ctx context.Context, root, plan string) error {
	dir, err := os.MkdirTemp("", "starttech-deploy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "terraform")
	if err := os.WriteFile(script, fmt.Appendf(nil, applyPlan, quote(s.options.Binary), quote(plan)), 0o700); err != nil {
		return err
	}
	command := exec.Command("cdktf", "deploy", s.Name, "--skip-synth", "--auto-approve")
	command.Dir = root
	command.Env = append(os.Environ(), "TERRAFORM_BINARY_NAME="+script)
	if wait := s.options.LockTimeout; wait > 0 {
		command.Env = append(command.Env, "TF_CLI_ARGS_apply=-lock-timeout="+wait.String())
	}
	output := deployOutput{log: s.options.Output, progress: s.progress, known: s.known}
	err = s.run(ctx, &output, 0, command)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("cdktf is not installed: run make install")
	case err != nil && output.text.Len() > 0:
		err = errors.New(output.text.String())
	}
	return s.explain("deploy", err)
}

// applyPlan is a script that runs Terraform, and adds a plan file to an apply.
const applyPlan = `#!/bin/sh
if [ "$1" = apply ]; then set -- "$@" %[2]s; fi
exec %[1]s "$@"
`

// quote returns a word of a shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// deployOutput reads the output of cdktf, which contains that of Terraform, line by line. It writes the lines to log without
// cdktf's frame and cursor movements, and derives the progress from them.
type deployOutput struct {
	log      io.Writer
	progress func(Progress)
	known    *secrets.Set // masked in the lines

	rest  []byte // an incomplete line
	state Progress
	text  strings.Builder // all lines
	skip  bool            // whether the lines are Terraform's list of outputs, which cdktf prints again
}

var (
	cursor     = regexp.MustCompile("\x1b\\[[0-9;]*[A-Z]")
	cdktfPanel = regexp.MustCompile(`^\d+ Stacks? deploying +\d+ Stacks? done`)
	started    = regexp.MustCompile(`^(\S+): (?:Creating|Modifying|Destroying)\.\.\.`)
	completed  = regexp.MustCompile(`^(\S+): (?:Creation|Modifications|Destruction) complete after `)
)

func (o *deployOutput) Write(content []byte) (int, error) {
	o.rest = append(o.rest, content...)
	for {
		line, rest, ok := bytes.Cut(o.rest, []byte("\n"))
		if !ok {
			return len(content), nil
		}
		o.rest = rest
		o.read(cursor.ReplaceAllString(string(line), ""))
	}
}

func (o *deployOutput) read(line string) {
	line = strings.TrimRight(colour.ReplaceAllString(line, ""), " \r")
	if cdktfPanel.MatchString(line) {
		o.skip = false
		return
	}
	o.skip = o.skip || strings.TrimSpace(line) == "Outputs:"
	if line == "" || o.skip {
		return
	}
	line = o.known.Mask(line)
	fmt.Fprintln(&o.text, line)
	fmt.Fprintln(o.log, line)
	words := strings.Fields(line)
	if len(words) > 1 && !strings.HasSuffix(words[0], ":") { // the stack's name is before the first line of each message
		words = words[1:]
	}
	message := strings.Join(words, " ")
	if match := started.FindStringSubmatch(message); match != nil {
		o.state.Running = append(o.state.Running, match[1])
	} else if match := completed.FindStringSubmatch(message); match != nil {
		o.state.Done++
		o.state.Running = slices.DeleteFunc(slices.Clone(o.state.Running), func(address string) bool { return address == match[1] })
	} else {
		return
	}
	if o.progress != nil {
		o.progress(o.state)
	}
}
