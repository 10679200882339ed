package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/packagecache"
)

func TestCommandSucceedsWithoutPackageCache(t *testing.T) {
	dir := t.TempDir()
	command := filepath.Join(dir, "packagecache")
	if out, err := exec.Command("go", "build", "-o", command, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, content := range map[string]string{
		"go.mod":  "module example.com/plain\n\ngo 1.25\n", // without jsii
		"main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		{status: 2, stderr: usage},
		{args: []string{"cache"}, status: 2, stderr: usage},
		{args: []string{".", "-key"}, status: 2, stderr: usage},
		{args: []string{"--help", "."}, status: 2, stderr: usage},
		{args: []string{"cache", "."}, stdout: packagecache.DefaultRoot() + "\n", stderr: "packagecache: using the complete libraries: no dependency on github.com/aws/jsii-runtime-go/internal/embedded with"},
		{args: []string{"-key", "."}, status: 1, stderr: "packagecache: no dependency on github.com/aws/jsii-runtime-go/internal/embedded with"},
		{args: []string{"-key", "./elsewhere"}, status: 1, stderr: "packagecache: go list: "},
	} {
		run := exec.Command(command, test.args...)
		run.Dir = dir
		run.Env = append(os.Environ(), packagecache.Variable+"=")
		var stdout, stderr bytes.Buffer
		run.Stdout, run.Stderr = &stdout, &stderr
		var exit *exec.ExitError
		if err := run.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := run.ProcessState.ExitCode(); got != test.status || stdout.String() != test.stdout || !strings.HasPrefix(stderr.String(), test.stderr) {
			t.Errorf("%v: exit status %d, stdout %q, stderr %q; want %d, %q, %q", test.args, got, stdout.String(), stderr.String(), test.status, test.stdout, test.stderr)
		}
	}
}
