package test

import (
	"maps"
	"slices"
	"testing"
)

// state is where a stack keeps its state.
func (s stack) state() resource {
	state, _ := resource(s.body).get("terraform", "backend", "s3").(map[string]any)
	return state
}

func TestTheStateIsKeptEncryptedAndLocked(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		equal(t, "state", s.state(), resource{
			"bucket":         "starttech-terraform-state-123456789012",
			"key":            s.name + "/terraform.tfstate",
			"region":         "eu-west-1",
			"encrypt":        true,
			"dynamodb_table": "starttech-terraform-lock",
		})
	})
}

func TestBootstrapMakesTheBucketAndTheTableThatStacksName(t *testing.T) {
	bootstrap := variant(t, "bootstrap")
	_, bucket := bootstrap.only(t, "aws_s3_bucket")
	_, table := bootstrap.only(t, "aws_dynamodb_table")
	onEveryStack(t, func(t *testing.T, s stack) {
		s.state().want(t, bucket.get("bucket"), "bucket")
		s.state().want(t, table.get("name"), "dynamodb_table")
	})
}

func TestTheLockTableIsWhatTerraformAsksForAndSurvives(t *testing.T) {
	_, table := variant(t, "bootstrap").only(t, "aws_dynamodb_table")
	table.want(t, "LockID", "hash_key")
	table.want(t, "LockID", "attribute", 0, "name")
	table.want(t, "S", "attribute", 0, "type")
	table.want(t, "PAY_PER_REQUEST", "billing_mode")
	table.want(t, true, "point_in_time_recovery", "enabled")
	table.want(t, true, "deletion_protection_enabled")
	table.want(t, true, "lifecycle", "prevent_destroy")
}

func TestTheStateBucketCannotBeDestroyed(t *testing.T) {
	_, bucket := variant(t, "bootstrap").only(t, "aws_s3_bucket")
	bucket.want(t, true, "lifecycle", "prevent_destroy")
	bucket.want(t, false, "force_destroy")
}

func TestEachAccountKeepsItsOwnState(t *testing.T) {
	t.Parallel()
	out := extremes(t)
	equal(t, "stacks", slices.Sorted(maps.Keys(out.stacks)), []string{
		"bootstrap-123456789012", "bootstrap-999999999999", "elsewhere", longestName,
	})
	for name, want := range map[string][3]string{
		"bootstrap-123456789012": {"123456789012", "eu-west-1", "bootstrap/terraform.tfstate"},
		"bootstrap-999999999999": {"999999999999", "us-west-2", "bootstrap/terraform.tfstate"},
		"elsewhere":              {"999999999999", "us-west-2", "elsewhere/terraform.tfstate"},
		longestName:              {"123456789012", "eu-west-1", longestName + "/terraform.tfstate"},
	} {
		state := out.stack(t, name).state()
		state.want(t, "starttech-terraform-state-"+want[0], "bucket")
		state.want(t, want[1], "region")
		state.want(t, want[2], "key") // bootstrap's does not move when a second account comes
	}
}
