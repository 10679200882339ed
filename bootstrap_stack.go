package main

import (
	"slices"

	"github.com/aws/jsii-runtime-go"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/modules/state"
)

// newBootstrapStacks makes one stack for each account: where the state of the account's other stacks is kept. It
// is called bootstrap, or bootstrap-ACCOUNT where the environments live in several accounts. The key of its own
// state does not depend on that.
func newBootstrapStacks(app cdktf.App, environments []config.Environment) {
	var accounts []config.Environment // the first environment of each
	for _, environment := range environments {
		known := func(e config.Environment) bool { return e.Account == environment.Account }
		if !slices.ContainsFunc(accounts, known) {
			accounts = append(accounts, environment)
		}
	}
	for _, environment := range accounts {
		id := config.BootstrapStack
		if len(accounts) > 1 {
			id += "-" + environment.Account
		}
		newBootstrapStack(app, id, environment)
	}
}

func newBootstrapStack(app cdktf.App, id string, e config.Environment) {
	stack := cdktf.NewTerraformStack(app, jsii.String(id))
	newStateBackend(stack, e.Account, e.Region, config.BootstrapStack)
	newProvider(stack, "aws", e.Account, e.Region, map[string]*string{
		"project":    jsii.String(config.Project),
		"managed-by": jsii.String("terraform"),
		"repository": jsii.String(e.Repository),
	})
	kept := state.New(stack, state.Config{
		Bucket: config.StateBucket(e.Account),
		Table:  config.LockTable,
	})
	newOutput(stack, "state_bucket", "S3 bucket of the Terraform state", kept.Bucket.Bucket())
	newOutput(stack, "lock_table", "DynamoDB table that locks the Terraform state", kept.Table.Name())
}

func newOutput(stack cdktf.TerraformStack, name, description string, value any) {
	cdktf.NewTerraformOutput(stack, jsii.String(name), &cdktf.TerraformOutputConfig{
		Description: jsii.String(description),
		Value:       value,
	})
}
