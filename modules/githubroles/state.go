package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// readState is to read every stack's state, and the digest of it that the lock table has. A plan of a pipeline takes no lock.
func readState(c Config) []policy.Statement {
	statements := []policy.Statement{{
		Sid:      "ListStateBucket",
		Effect:   policy.Allow,
		Action:   []string{"s3:ListBucket"},
		Resource: []string{*c.StateBucketARN},
	}, {
		Sid:      "ReadState",
		Effect:   policy.Allow,
		Action:   []string{"s3:GetObject"},
		Resource: []string{*c.StateBucketARN + "/*"},
	}}
	if c.LocksInDynamoDB {
		statements = append(statements, policy.Statement{
			Sid:      "ReadLock",
			Effect:   policy.Allow,
			Action:   []string{"dynamodb:GetItem"},
			Resource: []string{*c.LockTableARN},
		})
	}
	return statements
}

// writeState is to lock and write the states of the environments. Bootstrap's state is an administrator's, because bootstrap
// contains what a deploy may do.
//
// An item of the lock table is a lock, BUCKET/KEY, or the digest of a state, BUCKET/KEY-md5. A lock in S3 is the object KEY.tflock
// (https://developer.hashicorp.com/terraform/language/backend/s3).
func writeState(c Config) []policy.Statement {
	var states, locks, items []string
	for _, environment := range c.Environments {
		key := "/" + config.StateKey(environment.Name)
		states = append(states, *c.StateBucketARN+key)
		locks = append(locks, *c.StateBucketARN+key+".tflock")
		items = append(items, *c.StateBucketName+key, *c.StateBucketName+key+"-md5")
	}
	statements := []policy.Statement{{
		Sid:      "WriteState",
		Effect:   policy.Allow,
		Action:   []string{"s3:PutObject"},
		Resource: states,
	}}
	if c.LocksInS3 {
		statements = append(statements, policy.Statement{
			Sid:      "WriteLock",
			Effect:   policy.Allow,
			Action:   []string{"s3:DeleteObject", "s3:PutObject"},
			Resource: locks,
		})
	}
	if c.LocksInDynamoDB {
		statements = append(statements, policy.Statement{
			Sid:      "WriteLockAndDigest",
			Effect:   policy.Allow,
			Action:   []string{"dynamodb:DeleteItem", "dynamodb:PutItem"},
			Resource: []string{*c.LockTableARN},
			Condition: policy.Condition{
				"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": items},
			},
		})
	}
	return statements
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
