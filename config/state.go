package config

// State is what all environments of an account have in common of their Terraform states.
type State struct {
	// What locks a state while Terraform changes it: dynamodb, an item of the lock table; s3, an object beside the state; both, on the way from
	// one to the other.
	//
	// Terraform takes both locks if both are set, and has deprecated that of DynamoDB
	// (https://developer.hashicorp.com/terraform/language/backend/s3#state-locking).
	Lock string `json:"lock" jsonschema:"required,enum=dynamodb,enum=both,enum=s3" change:"free: one step at a time, dynamodb, both, s3, because a Terraform with the old lock does not see the new one. The way back is both, make unlock of each stack, dynamodb. Deploy bootstrap, which has the roles: first if the new value adds a lock, last if it takes one away."`
}

// StateLock is state.lock of an environment, or what locks its state without that block.
func (e Environment) StateLock() string {
	if e.State == nil {
		return "dynamodb"
	}
	return e.State.Lock
}

// LocksInDynamoDB reports whether an item of the lock table locks the state. The table then also has the MD5 of the state.
func (e Environment) LocksInDynamoDB() bool { return e.StateLock() != "s3" }

// LocksInS3 reports whether an object beside the state locks it.
func (e Environment) LocksInS3() bool { return e.StateLock() != "dynamodb" }

// RequiredTerraform is the Terraform versions that the stacks of an environment's account accept. The lock in S3 is experimental in 1.10, and
// ready since 1.11 (https://github.com/hashicorp/terraform/releases/tag/v1.11.0).
func (e Environment) RequiredTerraform() string {
	if e.LocksInS3() {
		return ">= 1.11.0"
	}
	return RequiredTerraform
}
