package config

import "strings"

// BootstrapStack is the stack with the state bucket and the pipelines' roles of an account.
const BootstrapStack = "bootstrap"

// RequiredTerraform is the Terraform versions that the stacks accept if the lock table locks their states. The S3 backend supports AWS_ENDPOINT_URL, which the
// local AWS needs, since 1.6 (https://github.com/hashicorp/terraform/releases/tag/v1.6.0). Terraform supports removed blocks since 1.7
// (https://github.com/hashicorp/terraform/releases/tag/v1.7.0).
const RequiredTerraform = ">= 1.7.0"

// LockTable is the DynamoDB table that locks the Terraform state.
const LockTable = Project + "-terraform-lock"

// StateKey is the key of the state of a stack in the account's StateBucket.
func StateKey(stack string) string { return stack + "/terraform.tfstate" }

// StateBucket is the S3 bucket of an account's Terraform state. Its name contains the account, so that one account never
// finds the state of another.
func StateBucket(account string) string { return Project + "-terraform-state-" + account }

// BackupVault is AWS Backup's vault of an account, and that of the copies in another region. It is also the value of the tag BackupTag, which
// selects a bucket for the backups.
const BackupVault = Project

// BackupTag is the tag of the buckets that are backed up.
const BackupTag = "backup"

// DeployRole is the role that deploys an account's environments.
const DeployRole = Project + "-deploy"

// DeployRoleARN is the ARN of an account's DeployRole.
func DeployRoleARN(account string) string { return "arn:aws:iam::" + account + ":role/" + DeployRole }

// The permissions boundaries of the roles of an account's environments; the bootstrap stack creates them. Only the
// instances' allows to read the backend's parameters.
const (
	InstanceBoundary = Project + "-boundary"
	DeliveryBoundary = Project + "-delivery-boundary" // of the roles that deliver releases and flow logs
	RotationBoundary = Project + "-rotation-boundary" // of the roles that rotate secrets; only with secrets
)

// PolicyARN is the ARN of a managed policy of an account.
func PolicyARN(account, name string) string { return "arn:aws:iam::" + account + ":policy/" + name }

// NamePrefix begins every physical name of the environment: starttech-production.
func (e Environment) NamePrefix() string { return Project + "-" + e.Name }

// PathPrefix begins the name of every log group and parameter of the environment: /starttech/production.
func (e Environment) PathPrefix() string { return "/" + Project + "/" + e.Name }

// Runbook is the URL of docs/runbook.md on GitHub.
type Runbook string

// Runbook is the runbook in the repository that the environment is deployed from.
func (e Environment) Runbook() Runbook {
	return Runbook("https://github.com/" + e.Repository + "/blob/main/docs/runbook.md")
}

// Section is the URL of the section with a heading of lower-case letters, digits and hyphens. It is its own anchor
// (https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links).
func (r Runbook) Section(heading string) string { return string(r) + "#" + heading }

// NameServersOutput is the output of the bootstrap stack with the name servers of the hosted zone that it creates for an environment.
func NameServersOutput(environment string) string { return "name_servers_" + IDSafe(environment) }

// IDSafe turns a value into a part of a construct id: 203_0_113_0_24, ops_at_example_com.
func IDSafe(value string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ReplaceAll(value, "@", "_at_"))
}

// BootstrapStackOf is the name of an account's bootstrap stack: bootstrap, or bootstrap-ACCOUNT if the environments are in
// several accounts.
func BootstrapStackOf(account string, environments []Environment) string {
	for _, environment := range environments {
		if environment.Account != account {
			return BootstrapStack + "-" + account
		}
	}
	return BootstrapStack
}
