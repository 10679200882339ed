package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// writeSlowStack writes a stack with a resource whose creation writes the file started, and ends when the file go exists.
func (c checkout) writeSlowStack(t *testing.T) {
	t.Helper()
	creation := fmt.Sprintf(": > '%s/started'; while [ ! -e '%[1]s/go' ]; do /bin/sleep 0.05; done", c.dir)
	body, err := json.Marshal(map[string]any{
		"terraform": map[string]any{"backend": map[string]any{"local": map[string]any{}}},
		"resource": map[string]any{"terraform_data": map[string]any{"thing": map[string]any{
			"provisioner": []any{map[string]any{"local-exec": map[string]any{"command": creation}}},
		}}},
	})
	c.write(t, productionDir+"cdk.tf.json", string(harness.Must(t, body, err)))
	c.recordSynthesis(t)
}

// waitFor waits until a condition is true.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute, %s", what)
		}
	}
}

func (c checkout) exists(file string) bool {
	_, err := os.Stat(filepath.Join(c.dir, file))
	return err == nil
}

// deployment is a deploy at a terminal whose apply is waiting for the file go.
type deployment struct {
	command  *exec.Cmd
	terminal *os.File
	output   chan string // all of it, when the deploy has closed the terminal
}

func (c checkout) startDeployment(t *testing.T) deployment {
	t.Helper()
	c.writeSlowStack(t)
	return c.startCommand(t, "deploy --env production")
}

// startCommand starts a command that applies the stack of writeSlowStack, at a terminal, and answers its question.
func (c checkout) startCommand(t *testing.T, arguments string) deployment {
	t.Helper()
	d := deployment{command: c.command(t, arguments), output: make(chan string, 1)}
	terminal, err := pty.Start(d.command)
	d.terminal = harness.Must(t, terminal, err)
	t.Cleanup(func() { terminal.Close(); _ = d.command.Process.Kill() })
	go func() {
		var screen strings.Builder
		buffer := make([]byte, 4096)
		for {
			n, err := terminal.Read(buffer)
			screen.Write(buffer[:n])
			if strings.HasSuffix(screen.String(), " to continue: ") {
				_, _ = terminal.WriteString("yes\n")
			}
			if err != nil {
				d.output <- strings.ReplaceAll(screen.String(), "\r\n", "\n")
				return
			}
		}
	}()
	waitFor(t, "the apply has not begun", func() bool { return c.exists("started") })
	return d
}

func TestSignalsDoNotInterruptAnApply(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		interrupt func(d deployment) error
		signals   int
		want      string // the signal's name; empty if the terminal is closed, and nothing can be read
	}{
		"Ctrl-C":         {func(d deployment) error { _, err := d.terminal.WriteString(controlC); return err }, 2, "SIGINT"},
		"quit key":       {func(d deployment) error { _, err := d.terminal.WriteString("\x1c"); return err }, 1, "SIGQUIT"},
		"interrupt":      {func(d deployment) error { return d.command.Process.Signal(os.Interrupt) }, 1, "SIGINT"},
		"termination":    {func(d deployment) error { return d.command.Process.Signal(syscall.SIGTERM) }, 1, "SIGTERM"},
		"hangup":         {func(d deployment) error { return d.command.Process.Signal(syscall.SIGHUP) }, 1, "SIGHUP"},
		"closed window":  {func(d deployment) error { return d.terminal.Close() }, 1, ""},
		"group":          {func(d deployment) error { return syscall.Kill(-d.command.Process.Pid, syscall.SIGTERM) }, 1, "SIGTERM"},
		"three in a row": {func(d deployment) error { return d.command.Process.Signal(os.Interrupt) }, 3, "SIGINT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			d := c.startDeployment(t)
			for range test.signals {
				check(t, test.interrupt(d))
				time.Sleep(200 * time.Millisecond) // two signals at the same time are one
			}
			c.write(t, "go", "")
			screen := <-d.output
			if err := d.command.Wait(); err == nil {
				t.Error("the exit status is 0")
			}
			if test.want != "" {
				has(t, "screen", screen,
					test.want+": Terraform goes on until this is complete: if it stopped now, AWS could have resources that the state lacks.",
					"\ninterrupted by "+test.want+", after this was complete: Deploy production; run make deploy ENV=production again to continue\n")
				equal(t, "says what a second signal costs", strings.Count(screen, "Terraform still goes on. kill -INT "), test.signals-1)
			}
			has(t, "state", c.read(t, productionDir+"terraform.tfstate"), `"thing"`)
			c.mustRun(t, "plan --env production", "No changes")
		})
	}
}

// The first deploy of an account creates the state bucket, and moves its state there.
func TestSignalsDoNotInterruptABootstrap(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.writeSlowStack(t)
	c.write(t, "cdktf.out/stacks/bootstrap/cdk.tf.json", c.read(t, productionDir+"cdk.tf.json"))
	c.writeStack(t, "a", nil)
	c.write(t, ".local/bootstrap-123456789012/terraform.tfstate", `{"version": 4}`) // as after an interrupted deploy
	d := c.startCommand(t, "deploy --env bootstrap")
	for range 2 {
		check(t, d.command.Process.Signal(os.Interrupt))
		time.Sleep(200 * time.Millisecond) // two signals at the same time are one
	}
	c.write(t, "go", "")
	screen := <-d.output
	if err := d.command.Wait(); err == nil {
		t.Error("the exit status is 0")
	}
	has(t, "screen", screen, "SIGINT: Terraform goes on until this is complete", "Terraform still goes on. kill -INT ",
		"\ninterrupted by SIGINT, after this was complete: Deploy bootstrap")
	equal(t, "the directory of the local state exists, which is removed at the end,", c.exists(".local/bootstrap-123456789012"), false)
}

// While a person reads a plan, another command of the checkout changes nothing.
func TestPlanDuringAQuestionIsRefused(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	d := deployment{command: c.command(t, "deploy --env production"), output: make(chan string, 1)}
	terminal, err := pty.Start(d.command)
	d.terminal = harness.Must(t, terminal, err)
	t.Cleanup(func() { terminal.Close(); _ = d.command.Process.Kill() })
	var screen strings.Builder
	buffer := make([]byte, 4096)
	for !strings.HasSuffix(screen.String(), " to continue: ") {
		n, err := terminal.Read(buffer)
		check(t, err)
		screen.Write(buffer[:n])
	}
	c.mustFail(t, "plan --env production", "production: another command is still running in this checkout")
	_, err = terminal.WriteString("yes\n")
	check(t, err)
	_, _ = io.Copy(&screen, terminal) // its error is the end of the terminal
	check(t, d.command.Wait())
	has(t, "screen", screen.String(), "production is deployed.")
}

// A deploy that is killed leaves a Terraform that goes on. Until it ends, no other command of the checkout plans or applies.
func TestKilledDeployIsCompleted(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	d := c.startDeployment(t)
	check(t, d.command.Process.Kill())
	_ = d.command.Wait()
	want := fmt.Sprintf("production: another command is still running in this checkout, or the Terraform that it has left behind: "+
		"starttech deploy --env production, process %d, since ", d.command.Process.Pid)
	c.mustFail(t, "plan --env production", want)
	c.env["CI"] = "true"
	c.mustFail(t, "deploy --env production", want)
	c.env["CI"] = ""

	c.write(t, "go", "")
	var output string
	waitFor(t, "Terraform has not ended", func() bool {
		output, _ = c.run(t, "plan --env production")
		return !strings.Contains(output, "still running")
	})
	has(t, "output of plan", output, "No changes")
}

// In a pipeline, the output of a deploy goes into a pipe.
func TestBrokenPipeEndsDeployBeforeItsApply(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.env["CI"] = "true"
	c.writeCdktf(t, "")
	command := c.command(t, "deploy --env production")
	reader, writer, err := os.Pipe()
	check(t, err)
	check(t, reader.Close())
	var stderr strings.Builder
	command.Stdout, command.Stderr = writer, &stderr
	if err := command.Run(); err == nil {
		t.Error("the exit status is 0")
	}
	check(t, writer.Close())
	equal(t, "stderr", stderr.String(), "interrupted by SIGPIPE; run the command again to continue\n")
	equal(t, "arguments of cdktf", c.read(t, "arguments"), "")
}

// A plan ends, and unlocks the state.
func TestInterruptedPlanEnds(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.write(t, "bin/real", c.read(t, "bin/terraform"))
	c.write(t, "bin/terraform", `#!/bin/sh
if [ "$1" = plan ]; then : > "`+c.dir+`/started"; while :; do /bin/sleep 0.05; done; fi
exec "`+c.dir+`/bin/real" "$@"
`)
	for _, each := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP} {
		command := c.command(t, "plan --env production")
		var output strings.Builder
		command.Stdout, command.Stderr = &output, &output
		check(t, command.Start())
		waitFor(t, "the plan has not begun", func() bool { return c.exists("started") })
		check(t, command.Process.Signal(each))
		if err := command.Wait(); err == nil {
			t.Errorf("%s: the exit status is 0", each)
		}
		if !strings.HasSuffix(output.String(), fmt.Sprintf("\ninterrupted by %s; run the command again to continue\n", map[syscall.Signal]string{
			syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGQUIT: "SIGQUIT", syscall.SIGHUP: "SIGHUP",
		}[each])) {
			t.Errorf("%s: %s", each, output.String())
		}
		equal(t, "there is a plan", c.exists(productionDir+"plan"), false)
		c.remove(t, "started")
	}
}

// Between the approval and the apply, somebody else deploys.
func TestStalePlanIsReported(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.write(t, "bin/real", c.read(t, "bin/terraform"))
	c.write(t, "bin/terraform", `#!/bin/sh
real="`+c.dir+`/bin/real"
if [ "$1" = apply ]; then "$real" apply -auto-approve > /dev/null; fi
exec "$real" "$@"
`)
	screen, status := c.runAtTerminal(t, 80, "deploy --env production", "yes\n")
	equal(t, "status", status, 1)
	has(t, "screen", screen, "\napply production: the state has changed since the plan: another deploy has ended in the meantime; run the command again\n")
	has(t, "state", c.read(t, productionDir+"terraform.tfstate"), `"thing"`)
	c.mustRun(t, "plan --env production", "No changes")
}
