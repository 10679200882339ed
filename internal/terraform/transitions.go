package terraform

import (
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// checkTransitions refuses a plan with a change that AWS would refuse in the middle of the apply.
func (s *Stack) checkTransitions(plan *tfjson.Plan) error {
	for _, resource := range plan.ResourceChanges {
		if resource.Type == "aws_elasticache_replication_group" && resource.Change.Actions.Update() && requiresTLSAtOnce(resource.Change) {
			return &Error{Doing: "plan " + s.Name, Advice: "cache.transitEncryption: AWS changes off to required in two steps: set preferred, and deploy that first"}
		}
		if resource.Type == "aws_elasticache_replication_group" && resource.Change.Actions.Replace() && forgetsSnapshot(resource.Change) {
			return &Error{Doing: "plan " + s.Name, Advice: "cache.restoreFrom: put the key back: without it, the deploy would replace Redis by an empty one"}
		}
		if resource.Type == "aws_backup_vault" && losesItsKey(resource, plan) {
			return &Error{Doing: "plan " + s.Name, Advice: "backup.kmsKey: a vault keeps its key: remove the block, delete the backups, deploy that, and add the block again"}
		}
	}
	return nil
}

// requiresTLSAtOnce reports whether TLS becomes required on a Redis without TLS. "Setting TransitEncryptionMode to required is a two-step
// process that requires you to first set the TransitEncryptionMode to preferred"
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyReplicationGroup.html).
func requiresTLSAtOnce(change *tfjson.Change) bool {
	return slices.Contains([]any{false, nil}, attribute(change.Before, "transit_encryption_enabled")) &&
		attribute(change.After, "transit_encryption_mode") == "required"
}

// forgetsSnapshot reports whether the configuration has no longer the snapshot that Redis was created from. The provider replaces Redis by another
// change of the snapshot as well (https://registry.terraform.io/providers/hashicorp/aws/5.100.0/docs/resources/elasticache_replication_group).
func forgetsSnapshot(change *tfjson.Change) bool {
	return attribute(change.Before, "snapshot_name") != nil && attribute(change.After, "snapshot_name") == nil
}

// losesItsKey reports whether a vault is replaced, or stays without the own key that encrypts its backups. AWS deletes only an empty vault
// (https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-a-vault.html). The provider keeps the key of a vault whose configuration has
// none.
func losesItsKey(vault *tfjson.ResourceChange, plan *tfjson.Plan) bool {
	if vault.Change.Actions.Replace() {
		return true
	}
	return !vault.Change.Actions.Delete() && slices.ContainsFunc(plan.ResourceChanges, func(other *tfjson.ResourceChange) bool {
		isKey := other.Type == "aws_kms_key" && strings.HasPrefix(other.Name, "backup")
		return isKey && other.Change.Actions.Delete() && attribute(other.Change.Before, "arn") == attribute(vault.Change.Before, "kms_key_arn")
	})
}

// attribute is a value of a resource in a plan.
func attribute(values any, name string) any {
	object, _ := values.(map[string]any)
	return object[name]
}
