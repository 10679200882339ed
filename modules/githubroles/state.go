package githubroles

import "github.com/starttech/infrastructure/internal/policy"

// readsState is reading every stack's state, and locking it meanwhile.
//
// An entry of the lock table is a lock, BUCKET/KEY, or the checksum of a state, BUCKET/KEY-md5
// (https://developer.hashicorp.com/terraform/language/backend/s3). Who reads has no business with checksums.
func readsState(c Config) []policy.Statement {
	return []policy.Statement{{
		Sid:      "FindStates",
		Effect:   policy.Allow,
		Action:   []string{"s3:ListBucket"},
		Resource: []string{*c.StateBucketARN},
	}, {
		Sid:      "ReadStates",
		Effect:   policy.Allow,
		Action:   []string{"s3:GetObject"},
		Resource: []string{*c.StateBucketARN + "/*"},
	}, {
		Sid:      "ReadLocks",
		Effect:   policy.Allow,
		Action:   []string{"dynamodb:GetItem"},
		Resource: []string{*c.LockTableARN},
	}, {
		Sid:      "Lock",
		Effect:   policy.Allow,
		Action:   []string{"dynamodb:DeleteItem", "dynamodb:PutItem"},
		Resource: []string{*c.LockTableARN},
		Condition: policy.Condition{
			"ForAllValues:StringLike": {"dynamodb:LeadingKeys": {*c.StateBucketName + "/*/terraform.tfstate"}},
		},
	}}
}

// writesState is writing the states of the environments. That of bootstrap, which says what a deploy may do, is an
// administrator's.
func writesState(c Config) []policy.Statement {
	var states, checksums []string
	for _, environment := range c.Environments {
		key := "/" + environment + "/terraform.tfstate"
		states = append(states, *c.StateBucketARN+key)
		checksums = append(checksums, *c.StateBucketName+key+"-md5")
	}
	return []policy.Statement{{
		Sid:      "WriteStates",
		Effect:   policy.Allow,
		Action:   []string{"s3:PutObject"},
		Resource: states,
	}, {
		Sid:      "WriteChecksums",
		Effect:   policy.Allow,
		Action:   []string{"dynamodb:DeleteItem", "dynamodb:PutItem"},
		Resource: []string{*c.LockTableARN},
		Condition: policy.Condition{
			"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": checksums},
		},
	}}
}
