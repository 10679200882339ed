package githubroles

import (
	"slices"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// backup is AWS Backup of the account, which an administrator deploys with the bootstrap stack. A deploy of an environment adds a tag of its
// bucket and alarms only. The plan's id is AWS's.
func backup(a account, c Config) part {
	i := slices.IndexFunc(c.Environments, func(e config.Environment) bool { return e.Backup != nil })
	if i < 0 {
		return part{}
	}
	settings := c.Environments[i].Backup
	vaults := []string{a.arn("backup", "backup-vault:"+config.BackupVault)}
	p := part{id: optional}
	if settings.CopyToRegion != "" {
		copies := account{a.id, settings.CopyToRegion}
		vaults = append(vaults, copies.arn("backup", "backup-vault:"+config.BackupVault))
		if settings.KMSKey == "own" {
			p.bootstrap = append(p.bootstrap, policy.Statement{
				Sid:      "ReadKeyOfCopies",
				Effect:   policy.Allow,
				Action:   []string{"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"},
				Resource: []string{copies.arn("kms", "key/*")},
			})
		}
	}
	p.bootstrap = append(p.bootstrap, policy.Statement{
		Sid:      "ReadBackupVaults",
		Effect:   policy.Allow,
		Action:   []string{"backup:DescribeBackupVault", "backup:ListTags"},
		Resource: vaults,
	}, policy.Statement{
		Sid:      "ReadBackupPlan",
		Effect:   policy.Allow,
		Action:   []string{"backup:GetBackupPlan", "backup:GetBackupSelection", "backup:ListTags"},
		Resource: []string{a.arn("backup", "backup-plan:*")},
	})
	return p
}
