package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTerraformFindsEveryStackValid(t *testing.T) {
	for name, s := range variants.stacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "cdk.tf.json"), s.json, 0o644); err != nil {
				t.Fatal(err)
			}
			initialize := exec.CommandContext(t.Context(), "terraform", "init", "-backend=false", "-input=false", "-no-color")
			initialize.Dir = dir
			if out, err := initialize.CombinedOutput(); err != nil {
				t.Fatalf("terraform init: %v\n%s", err, out)
			}

			validate := exec.CommandContext(t.Context(), "terraform", "validate", "-json")
			validate.Dir = dir
			out, failed := validate.Output()
			var report struct {
				Valid       bool
				Diagnostics []json.RawMessage
			}
			if err := json.Unmarshal(out, &report); err != nil {
				t.Fatalf("terraform validate: %v, %v\n%s", failed, err, out)
			}
			if !report.Valid {
				t.Error("not valid")
			}
			for _, diagnostic := range report.Diagnostics { // warnings too: a deprecated argument is one
				t.Errorf("%s", diagnostic)
			}
		})
	}
}
