package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// However the program ends, it leaves no process of the jsii runtime and nothing in the temporary folder.
func TestTheProgramLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environment string
		prepare     func(t *testing.T, dir string)
		variables   []string
		signal      syscall.Signal
		group       bool // the signal goes to the runtime, too, as from a terminal
		want        string
	}{
		"a good run": {environment: modern},
		"a mistake":  {environment: "account: 1\n", want: "environments/production.yaml:1:10: account: 1 is a number"},
		"no node":    {environment: modern, variables: []string{"PATH="}, want: "node is not on PATH"},
		"a refusal of the constructs": {
			environment: modern,
			prepare: func(t *testing.T, dir string) {
				if err := os.WriteFile(filepath.Join(dir, "cdktf.out"), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			},
			want: "synthesize: ",
		},
		"Ctrl-C":               {environment: modern, signal: syscall.SIGINT, group: true, want: "synthesize: interrupted"},
		"an interrupt":         {environment: modern, signal: syscall.SIGINT, want: "synthesize: interrupted"},
		"a termination":        {environment: modern, signal: syscall.SIGTERM, want: "synthesize: interrupted"},
		"a terminal's closing": {environment: modern, signal: syscall.SIGHUP, group: true, want: "synthesize: interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporary := t.TempDir()
			dir := writeFiles(t, map[string]string{"environments/production.yaml": test.environment})
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			var stderr bytes.Buffer
			command := exec.CommandContext(t.Context(), program)
			command.Dir, command.Stderr = dir, &stderr
			command.Env = append(append(os.Environ(), "TMPDIR="+temporary), test.variables...)
			command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			if test.signal != 0 {
				waitForKernel(t, temporary)
				to := command.Process.Pid
				if test.group {
					to = -to
				}
				if err := syscall.Kill(to, test.signal); err != nil {
					t.Fatal(err)
				}
			}
			err := command.Wait()
			if status := command.ProcessState.ExitCode(); (test.want == "") != (status == 0) || test.want != "" && status != 1 {
				t.Errorf("exit status %d, %v", status, err)
			}
			if got := stderr.String(); !strings.HasPrefix(got, test.want) || strings.Contains(got, "goroutine") {
				t.Errorf("stderr is %q, want %q", got, test.want)
			}
			empty(t, temporary)
			processes, err := exec.CommandContext(t.Context(), "ps", "-A", "-o", "args").Output()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(processes), temporary) {
				t.Errorf("still running:\n%s", processes)
			}
		})
	}
}

// waitForKernel waits until the jsii kernel has begun to load libraries.
func waitForKernel(t *testing.T, temporary string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(temporary, "*", "jsii-kernel-*")); len(found) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no kernel began")
		}
	}
}
