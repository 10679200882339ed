package system

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// testLife takes staging through make life, with the local AWS in the role of the account. Nothing of staging is left.
func (s *system) testLife(t *testing.T) {
	t.Helper()
	command := s.command("life", "ENV=staging")
	command.Env = append(slices.DeleteFunc(s.environment(), func(variable string) bool { return strings.HasPrefix(variable, "CI=") }), "MAKEFLAGS=", "GOTMPDIR=")
	begin := time.Now()
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: 140})
	check(t, err)
	defer terminal.Close()
	screen, answered := "", false
	for buffer := make([]byte, 4096); err == nil; { // until the command has closed its side of the terminal
		var n int
		n, err = terminal.Read(buffer)
		screen += string(buffer[:n])
		if !answered && strings.HasSuffix(screen, "Type staging to continue: ") {
			_, writeErr := terminal.WriteString("staging\n")
			check(t, writeErr)
			answered = true
		}
	}
	if err := command.Wait(); err != nil {
		t.Fatalf("make life: %v\n%s", err, screen)
	}
	t.Logf("%6.1f s  make life", time.Since(begin).Seconds())
	if want := "staging has lived in account 123456789012: deployed, unchanged by a second plan, released, reachable, destroyed."; !strings.Contains(screen, want) {
		t.Errorf("make life does not end with %q:\n%s", want, screen)
	}
	for _, arguments := range [][]string{
		{"autoscaling", "describe-auto-scaling-groups", "--query", "AutoScalingGroups[?contains(AutoScalingGroupName, 'staging')].AutoScalingGroupName"},
		{"ssm", "get-parameters-by-path", "--recursive", "--path", "/starttech/staging", "--query", "Parameters[].Name"},
		{"ec2", "describe-vpcs", "--filters", "Name=tag:environment,Values=staging", "--query", "Vpcs[].VpcId"},
	} {
		if left := s.aws(t, append(arguments, "--output", "text")...); left != "" {
			t.Errorf("make life leaves %s", left)
		}
	}
}
