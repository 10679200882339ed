package githubroles

import "github.com/starttech/infrastructure/internal/policy"

// readState is to read every stack's state, and its digest. A plan of a pipeline takes no lock.
func readState(c Config) []policy.Statement {
	return []policy.Statement{{
		Sid:      "ListStateBucket",
		Effect:   policy.Allow,
		Action:   []string{"s3:ListBucket"},
		Resource: []string{*c.StateBucketARN},
	}, {
		Sid:      "ReadState",
		Effect:   policy.Allow,
		Action:   []string{"s3:GetObject"},
		Resource: []string{*c.StateBucketARN + "/*"},
	}, {
		Sid:      "ReadLock",
		Effect:   policy.Allow,
		Action:   []string{"dynamodb:GetItem"},
		Resource: []string{*c.LockTableARN},
	}}
}

// writeState is to lock and write the states of the environments. Bootstrap's state is an administrator's, because bootstrap
// contains what a deploy may do.
//
// An item of the lock table is a lock, BUCKET/KEY, or the digest of a state, BUCKET/KEY-md5
// (https://developer.hashicorp.com/terraform/language/backend/s3).
func writeState(c Config) []policy.Statement {
	var states, items []string
	for _, environment := range c.Environments {
		key := "/" + environment.Name + "/terraform.tfstate"
		states = append(states, *c.StateBucketARN+key)
		items = append(items, *c.StateBucketName+key, *c.StateBucketName+key+"-md5")
	}
	return []policy.Statement{{
		Sid:      "WriteState",
		Effect:   policy.Allow,
		Action:   []string{"s3:PutObject"},
		Resource: states,
	}, {
		Sid:      "WriteLockAndDigest",
		Effect:   policy.Allow,
		Action:   []string{"dynamodb:DeleteItem", "dynamodb:PutItem"},
		Resource: []string{*c.LockTableARN},
		Condition: policy.Condition{
			"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": items},
		},
	}}
}

// readBootstrap is what Terraform reads, besides, to plan the bootstrap stack.
func readBootstrap(a account, c Config, parts []part) []policy.Statement {
	statements := []policy.Statement{{
		Sid:    "ReadLockTable",
		Effect: policy.Allow,
		Action: []string{
			"dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:ListTagsOfResource",
		},
		Resource: []string{*c.LockTableARN},
	}, {
		Sid:      "ReadPolicies",
		Effect:   policy.Allow,
		Action:   []string{"iam:GetPolicy", "iam:GetPolicyVersion"},
		Resource: []string{a.globalARN("iam", "policy/"+prefixed("*"))},
	}, {
		Sid:      "ReadOIDCProvider",
		Effect:   policy.Allow,
		Action:   []string{"iam:GetOpenIDConnectProvider"},
		Resource: []string{policy.GitHubProviderARN(a.id)},
	}}
	for _, p := range parts {
		statements = append(statements, p.bootstrap...)
	}
	return statements
}
