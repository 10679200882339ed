package main

import (
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/provider"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
)

// newStateBackend keeps the state of a stack in its account's bucket, under a key of its own, locked by DynamoDB.
func newStateBackend(stack cdktf.TerraformStack, account, region, key string) {
	cdktf.NewS3Backend(stack, &cdktf.S3BackendConfig{
		Bucket:        jsii.String(config.StateBucket(account)),
		Key:           jsii.String(key + "/terraform.tfstate"),
		Region:        jsii.String(region),
		Encrypt:       jsii.Bool(true),
		DynamodbTable: jsii.String(config.LockTable),
	})
	// The bindings pin one exact version of the provider; any later 5.x does as well.
	stack.AddOverride(jsii.String("terraform.required_providers.aws.version"), "~> 5.99")
	// The S3 backend takes AWS_ENDPOINT_URL, and with it the local AWS, since 1.6; removed blocks are of 1.7.
	stack.AddOverride(jsii.String("terraform.required_version"), ">= 1.7.0")
}

// newProvider is AWS in one account and region. It refuses credentials of any other account.
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
