package test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run is what came of a run of the program in a folder.
type run struct {
	status         int
	stdout, stderr string
}

// runProgram runs the built program, with more variables than the test has.
func runProgram(t *testing.T, dir string, variables ...string) run {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), program)
	command.Dir, command.Stdout, command.Stderr = dir, &stdout, &stderr
	command.Env = append(os.Environ(), append([]string{"NODE_NO_WARNINGS=1"}, variables...)...) // as make and cdktf.json run it
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return run{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// writeFiles makes a new folder with the given files in it; a name that ends in a slash is a folder.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		folder, file := filepath.Split(filepath.Join(dir, name))
		if strings.HasSuffix(name, "/") {
			folder, file = filepath.Join(folder, file), ""
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if file == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const account = "account: \"123456789012\"\n"

func TestWhatIsWrongWithTheEnvironmentsIsSaidBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"no directory": {
			files: map[string]string{"notes.txt": ""},
			want:  []string{"environments: no such directory; run this in the directory that contains environments/"},
		},
		"a file instead of the directory": {
			files: map[string]string{"environments": ""},
			want:  []string{"read environments: open environments: not a directory"},
		},
		"an empty directory": {
			files: map[string]string{"environments/": ""},
			want:  []string{"environments: contains no environment; add at least one NAME.yaml"},
		},
		"a directory with other files only": {
			files: map[string]string{"environments/README.md": "", "environments/old.yaml.bak": "x", "environments/more.yaml/x": ""},
			want:  []string{"environments: contains no environment; add at least one NAME.yaml"},
		},
		"an empty file": {
			files: map[string]string{"environments/production.yaml": ""},
			want:  []string{"environments/production.yaml: is empty; an environment needs at least its account"},
		},
		"a file of comments": {
			files: map[string]string{"environments/production.yaml": "# soon\n---\n# sooner\n"},
			want:  []string{"environments/production.yaml: is empty; an environment needs at least its account"},
		},
		"no YAML": {
			files: map[string]string{"environments/production.yaml": account + "network:\n\tcidr: 10.0.0.0/16\n"},
			want:  []string{"environments/production.yaml:3:1: is not YAML: found character that cannot start any token"},
		},
		"YAML of another shape": {
			files: map[string]string{"environments/production.yaml": "- production\n"},
			want:  []string{"environments/production.yaml:1:1: this value is a list, not a map of keys"},
		},
		"an unknown key": {
			files: map[string]string{"environments/production.yaml": account + "cache:\n  replica: 2\n"},
			want: []string{"environments/production.yaml:3:3: cache.replica: unknown key; allowed: engineVersion, " +
				"maintenanceWindow, nodeType, replicas, snapshotRetentionDays, snapshotWindow, transitEncryption"},
		},
		"all problems of two files": {
			files: map[string]string{
				"environments/a.yaml": "account: 123456789012\nbackend:\n  minSize: 0\n  maxSize: many\nnetwork:\n  natGateways: two\n",
				"environments/b.yaml": "region: mars\ncache: []\n",
			},
			want: []string{
				"environments/a.yaml:1:10: account: 123456789012 is a number, not a string; put it in quotes",
				"environments/a.yaml:3:12: backend.minSize: 0 is below the minimum, 1",
				`environments/a.yaml:4:12: backend.maxSize: "many" is a string, not an integer`,
				`environments/a.yaml:6:16: network.natGateways: "two" is not one of none, single, per-az`,
				"environments/b.yaml:1:1: account: missing; The AWS account that this environment lives in, in quotes. The provider refuses any other.",
				`environments/b.yaml:1:9: region: "mars" does not match ^[a-z]{2}(-[a-z]+)+-[0-9]$ (AWS region of everything but CloudFront's certificate)`,
				"environments/b.yaml:2:8: cache: this value is a list, not a map of keys",
			},
		},
		"a name that is too long": {
			files: map[string]string{"environments/fifteen-letters.yaml": account},
			want: []string{`environments/fifteen-letters.yaml: "fifteen-letters" has 15 characters; allowed: 14, because AWS ends ` +
				`the target group's name "starttech-fifteen-letters-backend" at 32`},
		},
		"a duplicate name": {
			files: map[string]string{"environments/production.yaml": account, "environments/production.yml": account},
			want:  []string{`environments/production.yml: environment "production" is already defined by environments/production.yaml`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, test.files)
			refused(t, dir, runProgram(t, dir), test.want)
		})
	}
}

// refused fails the test where a run did anything but say what is wrong.
func refused(t *testing.T, dir string, got run, want []string) {
	t.Helper()
	equal(t, "exit status", got.status, 1)
	equal(t, "stdout", got.stdout, "")
	equal(t, "stderr", strings.Split(strings.TrimSuffix(got.stderr, "\n"), "\n"), want)
	if _, err := os.Stat(filepath.Join(dir, "cdktf.out")); !os.IsNotExist(err) {
		t.Errorf("there is a cdktf.out: %v", err)
	}
	for _, crash := range []string{"goroutine", "panic"} {
		if strings.Contains(got.stderr, crash) {
			t.Errorf("stderr has %q in it", crash)
		}
	}
}

const modern = account + "backend: {amazonLinux: al2023}\n" // nothing to warn of

func TestWithoutNodeOneLineSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"environments/production.yaml": modern})
	refused(t, dir, runProgram(t, dir, "PATH="+dir), []string{
		"node is not on PATH; the constructs need Node.js 22: run make synth, which takes its own, or install it",
	})
}

func TestANodeThatDoesNotWorkIsNoPanic(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"environments/production.yaml": modern})
	if err := os.WriteFile(filepath.Join(dir, "node"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	got := runProgram(t, dir, "PATH="+dir+":/bin:/usr/bin")
	equal(t, "exit status", got.status, 1)
	if !strings.HasPrefix(got.stderr, "synthesize: ") || strings.Contains(got.stderr, "goroutine") {
		t.Errorf("stderr is %q", got.stderr)
	}
}

func TestAGoodRunSaysWhatToKnowAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"environments/old.yaml": account, "environments/new.yaml": modern})
	temporary := t.TempDir()
	got := runProgram(t, dir, "TMPDIR="+temporary)
	equal(t, "exit status", got.status, 0)
	equal(t, "stdout", got.stdout, "")
	equal(t, "stderr", strings.TrimSuffix(got.stderr, "\n"), "warning: old: backend.amazonLinux is al2, as in the "+
		"architecture document; Amazon Linux 2 reached its end of life on 2026-06-30; al2023 is tested as well")
	empty(t, temporary)
}

// empty fails the test where a folder is not.
func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
