package terraform

import (
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
)

func TestRedisGetsTLSInTwoSteps(t *testing.T) {
	mode := func(value string) map[string]any {
		if value == "off" {
			return map[string]any{"transit_encryption_enabled": false, "transit_encryption_mode": ""}
		}
		return map[string]any{"transit_encryption_enabled": true, "transit_encryption_mode": value}
	}
	for _, test := range []struct {
		before, after string
		refused       bool
	}{
		{"off", "preferred", false},
		{"preferred", "required", false},
		{"off", "required", true},
		{"required", "preferred", false},
		{"preferred", "off", false},
		{"required", "required", false}, // another attribute changes
	} {
		stack := Stack{Name: "production"}
		err := stack.checkTransitions(&tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{
			Type:   "aws_elasticache_replication_group",
			Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionUpdate}, Before: mode(test.before), After: mode(test.after)},
		}}})
		want := ""
		if test.refused {
			want = "plan production: cache.transitEncryption: AWS changes off to required in two steps: set preferred, and deploy that first"
		}
		if got := errorText(err); got != want {
			t.Errorf("%s to %s: got %q, want %q", test.before, test.after, got, want)
		}
	}
}

func TestANewRedisRequiresTLSAtOnce(t *testing.T) {
	stack := Stack{Name: "production"}
	err := stack.checkTransitions(&tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{
		Type:   "aws_elasticache_replication_group",
		Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionCreate}, After: map[string]any{"transit_encryption_mode": "required"}},
	}}})
	if err != nil {
		t.Errorf("it is refused: %v", err)
	}
}

func TestTheSnapshotOfRedisStaysInTheFile(t *testing.T) {
	snapshot := func(name any) map[string]any { return map[string]any{"snapshot_name": name} }
	for _, test := range []struct {
		before, after any
		refused       bool
	}{
		{"old", nil, true},
		{nil, "new", false}, // a restore; Terraform refuses it of a protected Redis
		{"old", "new", false},
		{nil, nil, false}, // another attribute changes
	} {
		stack := Stack{Name: "staging"}
		err := stack.checkTransitions(&tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{
			Type: "aws_elasticache_replication_group",
			Change: &tfjson.Change{
				Actions: tfjson.Actions{tfjson.ActionDelete, tfjson.ActionCreate}, Before: snapshot(test.before), After: snapshot(test.after),
			},
		}}})
		want := ""
		if test.refused {
			want = "plan staging: cache.restoreFrom: put the key back: without it, the deploy would replace Redis by an empty one"
		}
		if got := errorText(err); got != want {
			t.Errorf("%v to %v: got %q, want %q", test.before, test.after, got, want)
		}
	}
}

func TestAVaultKeepsItsKey(t *testing.T) {
	for want, actions := range map[string]tfjson.Actions{
		"": {tfjson.ActionDelete}, // of an empty vault
		"plan bootstrap: backup.kmsKey: a vault keeps its key: remove the block, delete the backups, deploy that, and add the block again": {tfjson.ActionDelete, tfjson.ActionCreate},
	} {
		stack := Stack{Name: "bootstrap"}
		err := stack.checkTransitions(&tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{Type: "aws_backup_vault", Change: &tfjson.Change{Actions: actions}}}})
		if got := errorText(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAVaultThatStaysKeepsItsKey(t *testing.T) {
	plan := func(vault, key tfjson.Actions, arn string) *tfjson.Plan {
		return &tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{
			{Type: "aws_backup_vault", Change: &tfjson.Change{Actions: vault, Before: map[string]any{"kms_key_arn": "key"}}},
			{Type: "aws_kms_key", Name: "backup_key", Change: &tfjson.Change{Actions: key, Before: map[string]any{"arn": arn}}},
		}}
	}
	stack := Stack{Name: "bootstrap"}
	if stack.checkTransitions(plan(tfjson.Actions{tfjson.ActionNoop}, tfjson.Actions{tfjson.ActionDelete}, "key")) == nil {
		t.Error("the key of a vault that stays is deleted")
	}
	for name, allowed := range map[string]*tfjson.Plan{
		"both are deleted":        plan(tfjson.Actions{tfjson.ActionDelete}, tfjson.Actions{tfjson.ActionDelete}, "key"),
		"another key is deleted":  plan(tfjson.Actions{tfjson.ActionNoop}, tfjson.Actions{tfjson.ActionDelete}, "other"),
		"the key does not change": plan(tfjson.Actions{tfjson.ActionUpdate}, tfjson.Actions{tfjson.ActionNoop}, "key"),
	} {
		if err := stack.checkTransitions(allowed); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
