package claims

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestABucketIsInTheBackupsIfItsFileSaysSo(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		bucket, isIn := "aws_s3_bucket.frontend", false
		if s.IsBootstrap() {
			bucket = "aws_s3_bucket.state"
			isIn = blockOfBackup(s) != nil
		} else {
			isIn = s.Environment().Backup != nil
		}
		want := ""
		if isIn {
			want = "starttech"
		}
		tag, _ := s.Resource(t, bucket).Get("tags", "backup").(string)
		equal(t, "tag backup of "+bucket, tag, want)
	})
	// The selection has the tag of the buckets.
	s := component(t, "bootstrap-200000000008")
	row{"aws_backup_selection.backup_selection", at("condition", 0, "string_equals", 0, "key"), "aws:ResourceTag/backup"}.check(t, s)
	row{"aws_backup_selection.backup_selection", at("condition", 0, "string_equals", 0, "value"), "starttech"}.check(t, s)
	row{"aws_backup_selection.backup_selection", at("resources", 0), "arn:aws:s3:::starttech-*"}.check(t, s)
	selection := harness.Actions(s.Resource(t, "aws_iam_role_policy.backup_role_selection").Statements(t, "policy"))
	equalSets(t, "what a selection by tag needs", selection, []string{"tag:GetResources"})
	row{"aws_backup_selection.backup_selection", at("selection_tag"), nil}.check(t, s) // would add every type that the account has opted in to
}

// blockOfBackup is the backup block of an account; nil if no file has it.
func blockOfBackup(s stack) *config.Backup {
	for _, e := range s.Environments() {
		if e.Backup != nil {
			return e.Backup
		}
	}
	return nil
}

func TestAnAccountHasTheBackupsOfItsFiles(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		block := blockOfBackup(s)
		var vaults, locks, keys []string
		if block != nil {
			copies := "backup_copy_" + strings.ReplaceAll(block.CopyToRegion, "-", "_")
			for id, exists := range map[string]bool{"backup": true, copies: block.CopyToRegion != "" && block.CopyRetentionDays > 0} {
				if !exists {
					continue
				}
				vaults = append(vaults, "aws_backup_vault."+id+"_vault")
				if block.VaultLock != nil {
					locks = append(locks, "aws_backup_vault_lock_configuration."+id+"_lock")
				}
				if block.KMSKey == "own" {
					keys = append(keys, "aws_kms_key."+id+"_key")
				}
			}
		}
		equalSets(t, "vaults", slices.Collect(maps.Keys(s.OfType("aws_backup_vault"))), vaults)
		equalSets(t, "locks", slices.Collect(maps.Keys(s.OfType("aws_backup_vault_lock_configuration"))), locks)
		equalSets(t, "keys", slices.Collect(maps.Keys(s.OfType("aws_kms_key"))), keys)
		if block == nil {
			for _, kind := range []string{"aws_backup_plan", "aws_backup_selection"} {
				if found := s.OfType(kind); len(found) > 0 {
					t.Errorf("no file has the block, but there is a %s", kind)
				}
			}
			if s.Has("aws_iam_role.backup_role") {
				t.Error("no file has the block, but there is the role")
			}
			return
		}
		plan := s.Resource(t, "aws_backup_plan.backup_plan")
		equal(t, "schedule", plan.Get("rule", 0, "schedule"), any(block.Schedule))
		equal(t, "retention", plan.Get("rule", 0, "lifecycle", "delete_after"), any(float64(block.RetentionDays)))
		equal(t, "rules with copies", plan.Get("rule", 0, "copy_action") != nil, len(vaults) == 2)
		for address, vault := range s.OfType("aws_backup_vault") {
			equal(t, address+" has an own key", vault.Text("kms_key_arn") != "", block.KMSKey == "own")
			equal(t, address+" is deleted with its backups", vault.Get("force_destroy") == true, false)
		}
	})
}

func TestTheRoleOfBackupsReadsAndRestoresBucketsOnly(t *testing.T) {
	s := component(t, "bootstrap-200000000008")
	var policies []string
	for _, attachment := range s.OfType("aws_iam_role_policy_attachment") {
		if attachment.Text("role") == ref("aws_iam_role.backup_role", "name") {
			policies = append(policies, attachment.Text("policy_arn"))
		}
	}
	equalSets(t, "policies", policies, []string{
		"arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Backup", "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore",
	})
	actions := harness.Actions(s.Resource(t, "aws_iam_role_policy.backup_role_vaults").Statements(t, "policy"))
	for _, action := range actions {
		if !strings.HasPrefix(action, "kms:") && !slices.Contains([]string{"backup:CopyFromBackupVault", "backup:CopyIntoBackupVault", "backup:DescribeBackupVault"}, action) {
			t.Errorf("the role may %s", action)
		}
	}
	for _, statement := range s.Resource(t, "aws_iam_role_policy.backup_role_vaults").Statements(t, "policy") {
		if slices.Contains(statement.Resource, "*") {
			t.Errorf("%s is not limited to resources", statement.Sid)
		}
	}
	// A lock of the vault is one of the copies, too.
	row{"aws_backup_vault_lock_configuration.backup_lock", at("changeable_for_days"), 7.0}.check(t, s)
	row{"aws_backup_vault_lock_configuration.backup_copy_eu_central_1_lock", at("min_retention_days"), 14.0}.check(t, s)
	row{"aws_backup_vault.backup_copy_eu_central_1_vault", at("provider"), "aws.backup_copy_eu_central_1"}.check(t, s)
	// Governance has no day from which on the lock is permanent.
	row{"aws_backup_vault_lock_configuration.backup_lock", at("changeable_for_days"), nil}.check(t, component(t, "bootstrap-123456789012"))
}

func TestBackupsThatFailOrAreMissedRing(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		block := s.Environment().Backup
		for _, address := range []string{"aws_cloudwatch_metric_alarm.backup_failed", "aws_cloudwatch_metric_alarm.backup_missed"} {
			if s.Has(address) != (block != nil) {
				t.Errorf("there is %s: %t", address, s.Has(address))
			}
		}
	})
	for environment, hours := range map[string]float64{"everything": 24 + 6, "backup": 2*24 + 6} { // backup has none on Sundays
		alarm := component(t, environment).Resource(t, "aws_cloudwatch_metric_alarm.backup_missed")
		equal(t, "seconds of a period", alarm.Get("period"), any(3600.0))
		equal(t, "hours without a backup", alarm.Get("evaluation_periods"), any(hours))
		equal(t, "missing data", alarm.Text("treat_missing_data"), "breaching")
		equal(t, "metric", alarm.Text("metric_name"), "NumberOfBackupJobsCompleted")
		equal(t, "vault", alarm.Get("dimensions", "BackupVaultName"), any("starttech"))
	}
	var failures []string
	failed := component(t, "backup").Resource(t, "aws_cloudwatch_metric_alarm.backup_failed")
	for i := 1; i <= 4; i++ {
		name, _ := failed.Get("metric_query", i, "metric", "metric_name").(string)
		failures = append(failures, name)
	}
	equalSets(t, "failures", failures, []string{"NumberOfBackupJobsAborted", "NumberOfBackupJobsExpired", "NumberOfBackupJobsFailed", "NumberOfRecoveryPointsExpired"})
}
