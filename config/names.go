package config

import "strings"

// BootstrapStack is the stack that keeps the Terraform state of an account.
const BootstrapStack = "bootstrap"

// AssetsPath is where a Vite build puts its hashed files.
const AssetsPath = "/assets/"

// LockTable is the DynamoDB table that locks the Terraform state.
const LockTable = Project + "-terraform-lock"

// StateBucket is the S3 bucket of an account's Terraform state. It has the account in it, so the state of one
// account is never found from another.
func StateBucket(account string) string { return Project + "-terraform-state-" + account }

// BoundaryPolicy is the IAM policy that bounds every role of an account's environments; bootstrap makes it.
const BoundaryPolicy = Project + "-boundary"

// BoundaryARN is the ARN of an account's BoundaryPolicy.
func BoundaryARN(account string) string {
	return "arn:aws:iam::" + account + ":policy/" + BoundaryPolicy
}

// Prefix begins every physical name of the environment: starttech-production.
func (e Environment) Prefix() string { return Project + "-" + e.Name }

// Path begins every log group and parameter of the environment: /starttech/production.
func (e Environment) Path() string { return "/" + Project + "/" + e.Name }

// Word makes a word of a value, for use in an id: 203_0_113_0_24, ops_at_example_com.
func Word(value string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ReplaceAll(value, "@", "_at_"))
}
