package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// The committed JSON needs Terraform, or OpenTofu, and nothing else: no other program is on PATH (docs/leaving.md).
func TestTerraformAlonePlansCommittedJSON(t *testing.T) {
	t.Parallel()
	aws, err := local.Start(t.Context(), local.Options{Root: harness.Root, Dir: t.TempDir(), Account: "123456789012", Region: "eu-west-1"})
	check(t, err)
	t.Cleanup(func() { check(t, aws.Stop()) })
	t.Run("terraform", func(t *testing.T) {
		binary, err := terraform.Find(t.Context(), harness.Root, config.RequiredTerraform)
		check(t, err)
		planCommittedJSON(t, aws, binary)
	})
	t.Run("tofu", func(t *testing.T) {
		binary, err := exec.LookPath("tofu")
		if err != nil {
			t.Skip("OpenTofu is not on PATH: docs/leaving.md says how to build it")
		}
		planCommittedJSON(t, aws, binary)
	})
}

// planCommittedJSON plans the stacks of the snapshots with states in files, and requires that the plan creates each resource.
func planCommittedJSON(t *testing.T, aws *local.AWS, binary string) {
	t.Helper()
	for _, name := range []string{"bootstrap", "production"} {
		stack := harness.Reference(t).Stack(t, name)
		resources := 0
		for address := range stack.Resources() {
			if !strings.HasPrefix(address, "data.") {
				resources++
			}
		}
		snapshot, err := os.ReadFile(filepath.Join(harness.Root, "test", "testdata", "snapshots", name+".json"))
		dir := harness.WriteFiles(t, map[string]string{
			"cdk.tf.json":              string(harness.Must(t, snapshot, err)),
			"backend_override.tf.json": `{"terraform": {"backend": {"local": {}}}}`,
		})
		run := func(arguments ...string) string {
			command := exec.CommandContext(t.Context(), binary, arguments...)
			command.Dir = dir
			command.Env = []string{"PATH=" + t.TempDir(), "HOME=" + t.TempDir(), "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + os.Getenv("TF_CLI_CONFIG_FILE")}
			for variable, value := range aws.Env() {
				if value != "" {
					command.Env = append(command.Env, variable+"="+value)
				}
			}
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, out)
			}
			return string(out)
		}
		run("init", "-input=false", "-no-color")
		has(t, "plan of "+name, run("plan", "-input=false", "-no-color"), fmt.Sprintf("Plan: %d to add, 0 to change, 0 to destroy.", resources))
	}
}
