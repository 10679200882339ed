package cli

import (
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestProgramLeavesNoProcessOrFile(t *testing.T) {
	t.Parallel()
	// If the tests run under nohup, a process that they start would ignore SIGHUP, too. It does not ignore what is handled here.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	for name, test := range map[string]struct {
		files     map[string]string // in addition to a valid environment
		variables []string
		signal    syscall.Signal
		group     bool   // the jsii runtime gets the signal as well, as from a terminal
		want      string // the beginning of stderr
	}{
		"invalid environment":     {files: map[string]string{"environments/production.yaml": "account: 1\n" + repositories}, want: "environments/production.yaml:1:10: account: 1 is a number"},
		"no Node.js":              {variables: []string{"PATH="}, want: "node is not on PATH"},
		"error of the constructs": {files: map[string]string{"cdktf.out": ""}, want: "synthesize: "},
		"Ctrl-C":                  {signal: syscall.SIGINT, group: true, want: "synthesize: interrupted"},
		"interrupt":               {signal: syscall.SIGINT, want: "synthesize: interrupted"},
		"termination":             {signal: syscall.SIGTERM, want: "synthesize: interrupted"},
		"closed terminal":         {signal: syscall.SIGHUP, group: true, want: "synthesize: interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"environments/production.yaml": modern}
			maps.Copy(files, test.files)
			temporary := t.TempDir()
			got := runProgram(t, harness.WriteFiles(t, files), func(process int) {
				if test.group {
					process = -process
				}
				if test.signal != 0 {
					waitForKernel(t, temporary)
					check(t, syscall.Kill(process, test.signal))
				}
			}, append(test.variables, "TMPDIR="+temporary)...)
			equal(t, "exit status", got.Status, 1)
			if !strings.HasPrefix(got.Stderr, test.want) || strings.Contains(got.Stderr, "goroutine") {
				t.Errorf("stderr is %q, want %q", got.Stderr, test.want)
			}
			wantNothingLeft(t, temporary)
		})
	}
}

// wantNothingLeft fails the test if there is a file in a temporary directory, or a process that was started from it.
func wantNothingLeft(t *testing.T, temporary string) {
	t.Helper()
	entries, err := os.ReadDir(temporary)
	check(t, err)
	if len(entries) > 0 {
		t.Errorf("%s contains %v", temporary, entries)
	}
	processes, err := exec.CommandContext(t.Context(), "ps", "-A", "-o", "args").Output()
	check(t, err)
	if strings.Contains(string(processes), temporary) {
		t.Errorf("a process is still running:\n%s", processes)
	}
}

// waitForKernel waits until the jsii kernel loads libraries.
func waitForKernel(t *testing.T, temporary string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(temporary, "*", "jsii-kernel-*")); len(found) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the kernel did not start within a minute")
		}
	}
}
