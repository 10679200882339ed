// Package backup is AWS Backup of an account: vault, plan, selection and role.
package backup

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/backupplan"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/backupselection"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/backupvault"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/backupvaultlockconfiguration"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicyattachment"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/kmsalias"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/kmskey"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucket"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Config is the account and the backup block of its environment files.
type Config struct {
	Account      string
	CopyProvider cdktf.TerraformProvider // of CopyToRegion; nil without copies

	config.Backup
}

// selectionPattern is the ARNs of the project's buckets. A selection that names the type S3 is backed up whether or not the account has opted
// in to backups of S3 in the region, which is a setting of the whole account. A selection by tag alone needs the setting
// (https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateRegionSettings.html).
const selectionPattern = "arn:aws:s3:::" + config.Project + "-*"

// The policies that AWS keeps for backups and restores of S3
// (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForS3Backup.html,
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForS3Restore.html).
const (
	s3BackupPolicy  = "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Backup"
	s3RestorePolicy = "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore"
)

// New creates
//
//	Plan -> Vault -> Key, LockConfiguration
//	  |  -> Vault in another region (copies) -> the same
//	  <- Selection (the project's buckets with the tag) -> Role
func New(scope constructs.Construct, c Config) {
	vault := newVault(scope, c, "backup", nil)
	var copies *vaultOutput
	rule := &backupplan.BackupPlanRule{
		RuleName:         jsii.String("scheduled"),
		TargetVaultName:  vault.name,
		Schedule:         jsii.String(c.Schedule),
		StartWindow:      jsii.Number(config.BackupStartMinutes),
		CompletionWindow: jsii.Number(config.BackupCompletionMinutes),
		Lifecycle:        &backupplan.BackupPlanRuleLifecycle{DeleteAfter: jsii.Number(c.RetentionDays)}, // days
	}
	if c.CopyToRegion != "" && c.CopyRetentionDays > 0 {
		copies = newVault(scope, c, "backup_copy_"+config.IDSafe(c.CopyToRegion), c.CopyProvider)
		rule.CopyAction = []*backupplan.BackupPlanRuleCopyAction{{
			DestinationVaultArn: copies.arn,
			Lifecycle:           &backupplan.BackupPlanRuleCopyActionLifecycle{DeleteAfter: jsii.Number(c.CopyRetentionDays)},
		}}
	}
	plan := backupplan.NewBackupPlan(scope, jsii.String("backup_plan"), &backupplan.BackupPlanConfig{
		Name: jsii.String(config.BackupVault),
		Rule: []*backupplan.BackupPlanRule{rule},
	})
	role, permissions := newRole(scope, c.Account, vault, copies)
	backupselection.NewBackupSelection(scope, jsii.String("backup_selection"), &backupselection.BackupSelectionConfig{
		Name:       jsii.String(config.BackupVault),
		PlanId:     plan.Id(),
		IamRoleArn: role.Arn(),
		Resources:  jsii.Strings(selectionPattern),
		Condition: []*backupselection.BackupSelectionCondition{{
			StringEquals: []*backupselection.BackupSelectionConditionStringEquals{{
				Key:   jsii.String("aws:ResourceTag/" + config.BackupTag),
				Value: jsii.String(config.BackupVault),
			}},
		}},
		DependsOn: &permissions,
	})
}

// Select adds a bucket to the backups. It has to be versioned, as AWS Backup requires
// (https://docs.aws.amazon.com/aws-backup/latest/devguide/s3-backups.html).
func Select(bucket s3bucket.S3Bucket) {
	bucket.SetTags(&map[string]*string{config.BackupTag: jsii.String(config.BackupVault)})
}

// vaultOutput is a vault, and the key of the account that encrypts it; nil if the key is AWS's.
type vaultOutput struct {
	name, arn, keyARN *string
}

// newVault creates a vault in a region, with its key and its lock. AWS deletes a vault only if it is empty.
func newVault(scope constructs.Construct, c Config, id string, provider cdktf.TerraformProvider) *vaultOutput {
	output := &vaultOutput{}
	if c.KMSKey == "own" {
		output.keyARN = newKey(scope, c, id, provider)
	}
	vault := backupvault.NewBackupVault(scope, jsii.String(id+"_vault"), &backupvault.BackupVaultConfig{
		Provider:  provider,
		Name:      jsii.String(config.BackupVault),
		KmsKeyArn: output.keyARN,
	})
	if output.keyARN == nil {
		suppress.Finding(vault, suppress.AWSKey, "CKV_AWS_166")
	}
	output.name, output.arn = vault.Name(), vault.Arn()
	if c.VaultLock != nil {
		backupvaultlockconfiguration.NewBackupVaultLockConfiguration(scope, jsii.String(id+"_lock"), &backupvaultlockconfiguration.BackupVaultLockConfigurationConfig{
			Provider:          provider,
			BackupVaultName:   output.name,
			MinRetentionDays:  days(c.VaultLock.MinRetentionDays),
			MaxRetentionDays:  days(c.VaultLock.MaxRetentionDays),
			ChangeableForDays: days(c.VaultLock.GraceDays),
		})
	}
	return output
}

// days is an argument that is left out if it is 0.
func days(number int) *float64 {
	if number == 0 {
		return nil
	}
	return jsii.Number(number)
}

func newKey(scope constructs.Construct, c Config, id string, provider cdktf.TerraformProvider) *string {
	key := kmskey.NewKmsKey(scope, jsii.String(id+"_key"), &kmskey.KmsKeyConfig{
		Provider:             provider,
		Description:          jsii.String("Encrypts the backups of " + config.Project),
		EnableKeyRotation:    jsii.Bool(true),
		DeletionWindowInDays: jsii.Number(30),
		Policy: policy.Document(policy.Statement{
			Sid:       "EnableIAMUserPermissions",
			Effect:    policy.Allow,
			Principal: policy.AWS("arn:aws:iam::" + c.Account + ":root"),
			Action:    []string{"kms:*"},
			Resource:  []string{"*"}, // in a key policy, this key
		}),
	})
	suppress.Finding(key, "In a key policy, * is this key only, and the account has to be able to administer it",
		"RESOURCE_STAR:EnableIAMUserPermissions", "PERMISSIONS_MANAGEMENT_ACTIONS")
	kmsalias.NewKmsAlias(scope, jsii.String(id+"_key_alias"), &kmsalias.KmsAliasConfig{
		Provider:    provider,
		Name:        jsii.String("alias/" + config.Project + "-backup"),
		TargetKeyId: key.KeyId(),
	})
	return key.Arn()
}

// newRole creates the role of the backups and restores, and returns it with what gives it its permissions.
//
// The trust policy has no condition on the account, because only a principal of the account that may pass the role can give it to AWS Backup.
func newRole(scope constructs.Construct, account string, vault, copies *vaultOutput) (iamrole.IamRole, []cdktf.ITerraformDependable) {
	role := iamrole.NewIamRole(scope, jsii.String("backup_role"), &iamrole.IamRoleConfig{
		Name:             jsii.String(config.Project + "-backup"),
		Description:      jsii.String("Lets AWS Backup back up and restore buckets"),
		AssumeRolePolicy: policy.AssumeRole("backup.amazonaws.com", nil),
	})
	roleName := role.Name()
	// AWS refuses a selection whose role may not look for tagged resources, and AWS's policies for S3 do not have the action
	// (https://github.com/hashicorp/terraform-provider-aws/issues/10511).
	permissions := []cdktf.ITerraformDependable{iamrolepolicy.NewIamRolePolicy(scope, jsii.String("backup_role_selection"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("selection"),
		Role: roleName,
		Policy: policy.Document(policy.Statement{
			Sid:      "FindTaggedResources",
			Effect:   policy.Allow,
			Action:   []string{"tag:GetResources"},
			Resource: []string{"*"}, // does not support resource-level permissions
		}),
	})}
	for _, attachment := range []struct{ id, policyARN string }{{"backup_role_backup", s3BackupPolicy}, {"backup_role_restore", s3RestorePolicy}} {
		permissions = append(permissions, iamrolepolicyattachment.NewIamRolePolicyAttachment(scope, jsii.String(attachment.id), &iamrolepolicyattachment.IamRolePolicyAttachmentConfig{
			Role:      roleName,
			PolicyArn: jsii.String(attachment.policyARN),
		}))
	}
	if statements := vaultStatements(account, vault, copies); len(statements) > 0 {
		vaults := iamrolepolicy.NewIamRolePolicy(scope, jsii.String("backup_role_vaults"), &iamrolepolicy.IamRolePolicyConfig{
			Name:   jsii.String("vaults"),
			Role:   roleName,
			Policy: policy.Document(statements...),
		})
		if vault.keyARN != nil {
			suppress.Finding(vaults, "AWS Backup uses the keys by grants, and the condition limits these to AWS's services", "PERMISSIONS_MANAGEMENT_ACTIONS")
		}
		permissions = append(permissions, vaults)
	}
	return role, permissions
}

// vaultStatements is what the role needs, beyond AWS's policies for S3, for copies and for keys of the account. It is the part of
// AWSBackupServiceRolePolicyForBackup that is about them
// (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html).
func vaultStatements(account string, vault, copies *vaultOutput) []policy.Statement {
	var statements []policy.Statement
	var keys []string
	if copies != nil {
		statements = append(statements, policy.Statement{
			Sid:      "CopyBackups",
			Effect:   policy.Allow,
			Action:   []string{"backup:CopyIntoBackupVault", "backup:DescribeBackupVault"},
			Resource: []string{*copies.arn},
		}, policy.Statement{
			Sid:      "CopyFromVault",
			Effect:   policy.Allow,
			Action:   []string{"backup:CopyFromBackupVault"},
			Resource: []string{"arn:aws:backup:*:" + account + ":recovery-point:*"},
		})
		if copies.keyARN != nil {
			keys = append(keys, *copies.keyARN)
		}
	}
	if vault.keyARN != nil {
		keys = append([]string{*vault.keyARN}, keys...)
	}
	if len(keys) > 0 {
		statements = append(statements, policy.Statement{
			Sid:      "UseKeys",
			Effect:   policy.Allow,
			Action:   []string{"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"},
			Resource: keys,
		}, policy.Statement{
			Sid:       "GrantKeysToAWS",
			Effect:    policy.Allow,
			Action:    []string{"kms:CreateGrant"},
			Resource:  keys,
			Condition: policy.Condition{"Bool": {"kms:GrantIsForAWSResource": {"true"}}},
		})
	}
	return statements
}
