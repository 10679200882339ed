package lint

import (
	"os/exec"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// A tool that no test runs, as the one that installs Terraform, could not be built on another machine.
func TestToolsHaveChecksums(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), "go", "list", "-modfile=tools.mod", "-deps", "tool")
	command.Dir = harness.Root
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
