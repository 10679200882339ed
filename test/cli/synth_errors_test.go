package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// Environment files: the shortest one, and one without a warning.
const (
	account      = "account: \"123456789012\"\n" + repositories
	repositories = "repository: starttech/infrastructure\napplicationRepository: starttech/application\n"
	modern       = account + "backend: {amazonLinux: al2023}\n"
)

// programRun is a finished run of the program.
type programRun struct {
	Status         int
	Stdout, Stderr string
}

// runProgram runs the program in a directory, with additional environment variables. It calls during, if that is not nil, with
// the process ID, which is also that of the process group.
func runProgram(t *testing.T, dir string, during func(process int), variables ...string) programRun {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), harness.Must2(t, harness.Program))
	command.Dir, command.Stdout, command.Stderr = dir, &stdout, &stderr
	command.Env = append(os.Environ(), variables...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	check(t, command.Start())
	if during != nil {
		during(command.Process.Pid)
	}
	var exit *exec.ExitError
	if err := command.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return programRun{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// wantRefusal fails the test unless a run in a directory has printed these errors and has written nothing.
func wantRefusal(t *testing.T, dir string, got programRun, want ...string) {
	t.Helper()
	equal(t, "run", got, programRun{1, "", strings.Join(want, "\n") + "\n"})
	if _, err := os.Stat(filepath.Join(dir, "cdktf.out")); !os.IsNotExist(err) {
		t.Errorf("there is a cdktf.out: %v", err)
	}
}

func TestInvalidEnvironmentFilesAreReportedBeforeAnyOutput(t *testing.T) {
	t.Parallel()
	production := func(content string) map[string]string {
		return map[string]string{"environments/production.yaml": content}
	}
	none := []string{"environments: contains no environment; add at least one NAME.yaml"}
	empty := []string{"environments/production.yaml: is empty; an environment needs at least its account and repositories"}
	for name, test := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"no directory":                    {map[string]string{"notes.txt": ""}, []string{"environments: no such directory; run this in the directory that contains environments/"}},
		"file instead of the directory":   {map[string]string{"environments": ""}, []string{"read environments: open environments: not a directory"}},
		"empty directory":                 {map[string]string{"environments/": ""}, none},
		"directory with other files only": {map[string]string{"environments/README.md": "", "environments/old.yaml.bak": "x", "environments/more/x.yaml": ""}, none},
		"directory named like a file":     {map[string]string{"environments/more.yaml/x": ""}, []string{"environments/more.yaml: is a directory; an environment is a regular file"}},
		"empty file":                      {production(""), empty},
		"file of comments":                {production("# soon\n---\n# sooner\n"), empty},
		"no YAML": {
			production(account + "network:\n\tcidr: 10.0.0.0/16\n"),
			[]string{"environments/production.yaml:5:1: is not YAML: found character that cannot start any token"},
		},
		"YAML of another shape": {production("- production\n"), []string{"environments/production.yaml:1:1: this value is a list, not a map of keys"}},
		"unknown key": {production(account + "cache:\n  replica: 2\n"), []string{"environments/production.yaml:5:3: cache.replica: unknown key; did you mean replicas? allowed: " +
			"auth, engine, engineVersion, finalSnapshot, maintenanceWindow, nodeType, replicas, restoreFrom, snapshotRetentionDays, snapshotWindow, transitEncryption"}},
		"schedule in the past": {
			production(account + "schedule: {actions: [{name: a, startTime: \"2020-01-01T00:00:00Z\", minSize: 3}]}\n"),
			[]string{`environments/production.yaml:4:43: schedule.actions[0].startTime: "2020-01-01T00:00:00Z" is in the past; AWS refuses it, and has deleted an action that is over: remove the action`},
		},
		"all problems of two files": {
			map[string]string{
				"environments/a.yaml": "account: 123456789012\nbackend:\n  minSize: 0\n  maxSize: many\nnetwork:\n  natGateways: two\n" + repositories,
				"environments/b.yaml": "region: mars\ncache: []\n" + repositories,
			},
			[]string{
				"environments/a.yaml:1:10: account: 123456789012 is a number, not a string; put it in quotes",
				"environments/a.yaml:3:12: backend.minSize: 0 is below the minimum, 1",
				`environments/a.yaml:4:12: backend.maxSize: "many" is a string, not an integer`,
				`environments/a.yaml:6:16: network.natGateways: "two" is not one of none, single, per-az`,
				"environments/b.yaml:1:1: account: missing; The AWS account that this environment lives in, in quotes. The provider refuses any other.",
				`environments/b.yaml:1:9: region: "mars" does not match ^[a-z]{2,4}(-[a-z]+)+-[0-9]$ (AWS region of everything but CloudFront's certificate)`,
				"environments/b.yaml:2:8: cache: this value is a list, not a map of keys",
			},
		},
		"name that is too long": {map[string]string{"environments/fifteen-letters.yaml": account}, []string{"environments/fifteen-letters.yaml: " +
			`"fifteen-letters" has 15 characters; allowed: 14, because AWS ends the target group's name "starttech-fifteen-letters-backend" at 32`}},
		"duplicate name": {
			map[string]string{"environments/production.yaml": account, "environments/production.yml": account},
			[]string{`environments/production.yml: environment "production" is already defined by environments/production.yaml`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := harness.WriteFiles(t, test.files)
			wantRefusal(t, dir, runProgram(t, dir, nil), test.want...)
		})
	}
}

func TestMissingNodeIsReported(t *testing.T) {
	t.Parallel()
	dir := harness.WriteFiles(t, map[string]string{"environments/production.yaml": modern})
	wantRefusal(t, dir, runProgram(t, dir, nil, "PATH="+dir),
		"node is not on PATH; the constructs need Node.js 22: run make synth, which takes its own, or install it")
}

func TestBrokenNodeIsReported(t *testing.T) {
	t.Parallel()
	c := checkout{dir: t.TempDir()}
	c.write(t, "environments/production.yaml", modern)
	c.write(t, "node", "#!/bin/sh\nexit 3\n")
	got := runProgram(t, c.dir, nil, "PATH="+c.dir+":/bin:/usr/bin")
	equal(t, "exit status", got.Status, 1)
	if !strings.HasPrefix(got.Stderr, "synthesize: ") || strings.Contains(got.Stderr, "goroutine") {
		t.Errorf("stderr is %q", got.Stderr)
	}
}

func TestSynthesisPrintsWarningsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := harness.WriteFiles(t, map[string]string{"environments/old.yaml": account, "environments/new.yaml": modern})
	temporary := t.TempDir()
	equal(t, "run", runProgram(t, dir, nil, "TMPDIR="+temporary), programRun{0, "", "warning: old: backend.amazonLinux is al2, as in the " +
		"architecture document; Amazon Linux 2 reached its end of life on 2026-06-30; al2023 is tested as well\n"})
	wantNothingLeft(t, temporary)
}
