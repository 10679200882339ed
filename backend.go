package main

import (
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/provider"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
)

// newStateBackend stores the state of a stack in the bucket of its account, under a key of its own, with a lock in DynamoDB or S3, or both. e
// is an environment of the account.
func newStateBackend(stack cdktf.TerraformStack, e config.Environment, key string) {
	settings := &cdktf.S3BackendConfig{
		Bucket:  jsii.String(config.StateBucket(e.Account)),
		Key:     jsii.String(config.StateKey(key)),
		Region:  jsii.String(e.Region),
		Encrypt: jsii.Bool(true),
	}
	if e.LocksInDynamoDB() {
		settings.DynamodbTable = jsii.String(config.LockTable)
	}
	backend := cdktf.NewS3Backend(stack, settings)
	if e.LocksInS3() {
		backend.AddOverride(jsii.String("use_lockfile"), jsii.Bool(true)) // the bindings do not have it
	}
	// The bindings require one exact version of the provider. Any later 5.x is compatible.
	stack.AddOverride(jsii.String("terraform.required_providers.aws.version"), "~> 5.99")
	stack.AddOverride(jsii.String("terraform.required_version"), e.RequiredTerraform())
}

// newProvider is the AWS provider in one account and region. It refuses credentials of any other account.
func newProvider(stack cdktf.TerraformStack, id, account, region string, tags map[string]*string) provider.AwsProvider {
	var alias *string
	if id != "aws" {
		alias = jsii.String(id)
	}
	return provider.NewAwsProvider(stack, jsii.String(id), &provider.AwsProviderConfig{
		Alias:             alias,
		Region:            jsii.String(region),
		AllowedAccountIds: jsii.Strings(account),
		DefaultTags:       []*provider.AwsProviderDefaultTags{{Tags: &tags}},
	})
}
