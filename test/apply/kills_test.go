package apply

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

var (
	kills = flag.Int("kills", 4, "how many deploys TestKilledDeploys kills")
	seed  = flag.Uint64("seed", 1, "of the random moments of TestKilledDeploys")
)

// kill is a signal to a deploy, at a terminal (the apply of an approved plan) or in a pipeline (cdktf deploy).
type kill struct {
	signal   syscall.Signal
	terminal bool
}

// killsInTurn begins with the strongest one, for the first deploy, which creates everything.
var killsInTurn = []kill{
	{syscall.SIGKILL, true},
	{syscall.SIGINT, true},
	{syscall.SIGTERM, false},
	{syscall.SIGPIPE, false},
	{syscall.SIGHUP, true},
	{syscall.SIGKILL, false},
	{syscall.SIGINT, false},
	{syscall.SIGTERM, true},
	{syscall.SIGPIPE, false},
	{syscall.SIGHUP, false},
}

// stagingEdits are edits of staging.yaml. From one to the next, a deploy creates, changes and destroys resources.
var stagingEdits = [][2]string{
	{"logRetentionDays: 7", "logRetentionDays: 7"},
	{"logRetentionDays: 7", "logRetentionDays: 14\n  alarmEmails: [oncall@example.com]"},
	{"network:\n", "network:\n  flowLogs: true\n  sshCidrs: [203.0.113.0/24]\n"},
}

// TestKilledDeploys deploys staging, changes it again and again, and ends each of these deploys at a random moment of its apply. The next one has to
// succeed, and to leave nothing to change. Nothing exists twice, and nothing exists that the state lacks: after each deploy of the same file
// there are as many resources of each kind, and in the end, destroy leaves only what was there before.
func TestKilledDeploys(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the applies")
	}
	t.Parallel()
	k := killing{aws: startAWS(t), checkout: harness.CopyCheckout(t), random: rand.New(rand.NewPCG(*seed, 0))}
	k.deploy(t, "bootstrap")
	before := k.resources(t)

	seen := map[int]map[string]int{}
	t.Logf("%-8s %-9s %8s %8s  %s", "signal", "where", "at", "next", "the last line of the deploy that got the signal")
	delivered := 0
	for i := range *kills {
		edit := i % len(stagingEdits)
		k.edit(t, stagingEdits[edit])
		each := killsInTurn[i%len(killsInTurn)]
		longest := 2 * time.Second // of the apply of an edit
		if i == 0 {
			longest = 90 * time.Second
		}
		moment := time.Duration(k.random.Int64N(int64(longest)))
		last, wasRunning := k.killDeploy(t, each, moment)
		if wasRunning {
			delivered++
		} else {
			last = "(it had ended) " + last
		}

		begin := time.Now()
		k.deploy(t, "staging")
		where := "pipeline"
		if each.terminal {
			where = "terminal"
		}
		t.Logf("%-8s %-9s %6.1f s %6.1f s  %s", unix.SignalName(each.signal), where, moment.Seconds(), time.Since(begin).Seconds(), last)
		if out, err := k.command("plan", "staging").CombinedOutput(); err != nil || !strings.Contains(string(out), "Plan of staging: No changes.") {
			t.Fatalf("the plan after the deploy: %v\n%s", err, out)
		}
		counts := countByKind(k.resources(t))
		if seen[edit] != nil && !maps.Equal(seen[edit], counts) {
			t.Errorf("after the same deploy as before, the resources by kind are\n%v\nwant\n%v", counts, seen[edit])
		}
		seen[edit] = counts
	}

	t.Logf("%d of %d deploys got their signal during the apply; after each, the next deploy continued", delivered, *kills)
	if delivered < *kills*3/4 {
		t.Errorf("only %d of %d deploys were running when they got the signal", delivered, *kills)
	}

	screen, status := harness.RunAtTerminal(t, k.personal("destroy"), 120, "staging\n", 10*time.Minute)
	harness.Equal(t, "status of destroy", status, 0)
	if status != 0 {
		t.Log(screen)
	}
	harness.EqualSets(t, "resources after destroy", k.resources(t), before)
}

// killing is a checkout whose deploys to a local AWS are killed.
type killing struct {
	aws      *local.AWS
	checkout string
	random   *rand.Rand
}

// command is a target of make for a stack, as in a pipeline.
func (k killing) command(target, stack string) *exec.Cmd {
	command := exec.Command("make", target, "ENV="+stack)
	command.Dir = k.checkout
	env := k.aws.Env()
	env["CI"], env["MAKEFLAGS"] = "true", ""
	command.Env = environ(env)
	return command
}

// personal is a command without a pipeline.
func (k killing) personal(target string) *exec.Cmd {
	command := k.command(target, "staging")
	command.Env = slices.DeleteFunc(command.Env, func(variable string) bool { return variable == "CI=true" })
	return command
}

// deploy deploys a stack. It waits while the Terraform of a killed deploy goes on, as that deploy's message says.
func (k killing) deploy(t *testing.T, stack string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(time.Second) {
		out, err := k.command("deploy", stack).CombinedOutput()
		if err == nil {
			return
		}
		if !strings.Contains(string(out), "is still running in this checkout") || time.Now().After(deadline) {
			t.Fatalf("deploy %s: %v\n%s", stack, err, out)
		}
	}
}

// killDeploy starts a deploy, sends it a signal at a moment of its apply, and waits until it ends. It returns its last line, and whether it
// was still running.
func (k killing) killDeploy(t *testing.T, each kill, moment time.Duration) (last string, wasRunning bool) {
	t.Helper()
	sent := make(chan struct{})
	var timer *time.Timer // from the beginning of the apply on
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	begin := func(send func()) func() {
		return func() { timer = time.AfterFunc(moment, func() { close(sent); send() }) }
	}
	defer func() {
		select {
		case <-sent:
			wasRunning = true
		default:
		}
	}()
	if each.terminal {
		command := k.personal("deploy")
		terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: 120})
		harness.Must(t, terminal, err)
		defer terminal.Close()
		return lastLine(k.watch(command, terminal, terminal, begin(func() {
			if each.signal == syscall.SIGHUP {
				terminal.Close()
			} else {
				k.signal(command, each.signal)
			}
		}))), false
	}
	command := k.command("deploy", "staging")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := os.CreateTemp(t.TempDir(), "")
	harness.Must(t, stderr, err)
	defer stderr.Close()
	command.Stderr = stderr
	stdout, err := command.StdoutPipe()
	harness.Must(t, stdout, err)
	harness.Must(t, 0, command.Start())
	printed := k.watch(command, stdout, nil, begin(func() {
		if each.signal == syscall.SIGPIPE {
			stdout.Close()
		} else {
			k.signal(command, each.signal)
		}
	}))
	errorText, err := os.ReadFile(stderr.Name())
	return lastLine(printed + string(harness.Must(t, errorText, err))), false
}

// signal sends a signal to the whole group, as a terminal does, or SIGKILL to starttech alone.
func (k killing) signal(command *exec.Cmd, signal syscall.Signal) {
	if signal != syscall.SIGKILL {
		_ = syscall.Kill(-command.Process.Pid, signal)
		return
	}
	running, _ := local.Processes("starttech deploy")
	for pid := range running {
		if directory, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); directory == k.checkout {
			_ = syscall.Kill(pid, signal)
		}
	}
}

// watch reads what a deploy prints until it ends, and answers its question. It calls begin once, when the apply begins.
func (k killing) watch(command *exec.Cmd, output io.Reader, input io.Writer, begin func()) string {
	var printed strings.Builder
	begun := false
	buffer := make([]byte, 4096)
	for {
		n, err := output.Read(buffer)
		printed.Write(buffer[:n])
		if !begun && strings.Contains(printed.String(), "Deploy staging ...") {
			begun = true
			begin()
		}
		if input != nil && strings.HasSuffix(printed.String(), " to continue: ") {
			_, _ = io.WriteString(input, "yes\n")
		}
		if err != nil {
			_ = command.Wait() // its error is the signal's
			return printed.String()
		}
	}
}

// lastLine is the last line that make has not printed.
func lastLine(text string) string {
	text = strings.NewReplacer("\r", "\n", "\x1b[K", "\n", "make: ", "\nmake: ", "make[1]: ", "\nmake[1]: ").Replace(text)
	for _, line := range slices.Backward(strings.Split(text, "\n")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "make: ") && !strings.HasPrefix(line, "make[1]: ") {
			return line
		}
	}
	return ""
}

// edit writes staging.yaml with one edit.
func (k killing) edit(t *testing.T, edit [2]string) {
	t.Helper()
	content := harness.ReadFile(t, filepath.Join(harness.ReferenceDir, "staging.yaml"))
	if !strings.Contains(content, edit[0]) {
		t.Fatalf("staging.yaml has no %q", edit[0])
	}
	file := filepath.Join(k.checkout, "environments", "staging.yaml")
	harness.Must(t, 0, os.WriteFile(file, []byte(strings.Replace(content, edit[0], edit[1], 1)), 0o644))
}

// resources is what exists on the local AWS.
func (k killing) resources(t *testing.T) []string {
	t.Helper()
	return introspect[[]string](t, k.aws, "/_local/resources")
}

// countByKind counts resources, which are strings of service, kind, region and name.
func countByKind(resources []string) map[string]int {
	counts := map[string]int{}
	for _, resource := range resources {
		counts[strings.Join(strings.Fields(resource)[:2], " ")]++
	}
	return counts
}
