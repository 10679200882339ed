package claims

import (
	"maps"
	"slices"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func backend(s stack) resource {
	state, _ := resource(s.Body).Get("terraform", "backend", "s3").(map[string]any)
	return state
}

// lockOf is what locks the state of a stack.
func lockOf(s stack) string {
	if block := s.Environment().State; block != nil {
		return block.Lock
	}
	return "dynamodb"
}

func TestTheStateIsEncryptedAndLockedInTheAccountsBucket(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		key := s.Name
		if s.IsBootstrap() {
			key = config.BootstrapStack // also if there are several accounts: its state does not move
		}
		want := resource{
			"bucket":  "starttech-terraform-state-" + s.Environment().Account,
			"key":     key + "/terraform.tfstate",
			"region":  s.Environment().Region,
			"encrypt": true,
		}
		lock := lockOf(s)
		if lock != "s3" {
			want["dynamodb_table"] = "starttech-terraform-lock"
		}
		if lock != "dynamodb" {
			want["use_lockfile"] = true
		}
		equal(t, "backend", backend(s), want)
	})
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		s.Resource(t, "aws_s3_bucket.state").Want(t, backend(s).Get("bucket"), "bucket")
		s.Resource(t, "aws_dynamodb_table.state_lock").Want(t, "starttech-terraform-lock", "name") // there is a way back to it
	})
}

func TestEachAccountHasItsOwnBootstrapStack(t *testing.T) {
	out := harness.Extremes(t)
	equal(t, "stacks", slices.Sorted(maps.Keys(out.Stacks)), []string{
		"bootstrap-123456789012", "bootstrap-999999999999", "elsewhere", longestName,
	})
	for name, want := range map[string][3]string{
		"bootstrap-123456789012": {"123456789012", "eu-west-1", "bootstrap/terraform.tfstate"},
		"bootstrap-999999999999": {"999999999999", "us-west-2", "bootstrap/terraform.tfstate"},
		"elsewhere":              {"999999999999", "us-west-2", "elsewhere/terraform.tfstate"},
		longestName:              {"123456789012", "eu-west-1", longestName + "/terraform.tfstate"},
	} {
		state := backend(out.Stack(t, name))
		state.Want(t, "starttech-terraform-state-"+want[0], "bucket")
		state.Want(t, want[1], "region")
		state.Want(t, want[2], "key")
	}
}
