package system

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// testLife takes staging through make life, with the local AWS in the role of the account. Nothing of staging is left.
func (s *system) testLife(t *testing.T) {
	t.Helper()
	command := s.command("life", "ENV=staging")
	command.Env = append(slices.DeleteFunc(s.environment(), func(variable string) bool { return strings.HasPrefix(variable, "CI=") }), "MAKEFLAGS=", "GOTMPDIR=")
	begin := time.Now()
	screen, status := harness.RunAtTerminal(t, command, 140, "staging\n", 30*time.Minute)
	if status != 0 {
		t.Fatalf("make life: exit status %d\n%s", status, screen)
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
