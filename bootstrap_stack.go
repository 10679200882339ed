package main

import (
	"slices"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/modules/backup"
	"github.com/starttech/infrastructure/modules/budget"
	"github.com/starttech/infrastructure/modules/dns"
	"github.com/starttech/infrastructure/modules/githubroles"
	"github.com/starttech/infrastructure/modules/guardduty"
	"github.com/starttech/infrastructure/modules/shield"
	"github.com/starttech/infrastructure/modules/statebackend"
)

// newBootstrapStacks creates one stack for each account: the state backend of the account's other stacks, and the roles of
// GitHub Actions. The key of the stack's own state does not depend on its name.
func newBootstrapStacks(app cdktf.App, environments []config.Environment) {
	var accounts []config.Environment // the first environment of each
	for _, environment := range environments {
		known := func(e config.Environment) bool { return e.Account == environment.Account }
		if !slices.ContainsFunc(accounts, known) {
			accounts = append(accounts, environment)
		}
	}
	for _, first := range accounts {
		var own []config.Environment
		for _, environment := range environments {
			if environment.Account == first.Account {
				own = append(own, environment)
			}
		}
		newBootstrapStack(app, config.BootstrapStackOf(first.Account, environments), own)
	}
}

// newBootstrapStack creates the stack of an account. config has checked that all environments of the account have the same
// region, repository and OIDC provider.
func newBootstrapStack(app cdktf.App, id string, environments []config.Environment) {
	e := environments[0]
	stack := cdktf.NewTerraformStack(app, jsii.String(id))
	newStateBackend(stack, e, config.BootstrapStack)
	tags := map[string]*string{
		"project":    jsii.String(config.Project),
		"managed-by": jsii.String("terraform"),
		"repository": jsii.String(e.Repository),
	}
	newProvider(stack, "aws", e.Account, e.Region, tags)
	scope := newScope(stack)
	stateBackend := statebackend.New(scope, statebackend.Config{
		Bucket: config.StateBucket(e.Account),
		Table:  config.LockTable,
	})
	zoneARNs := map[string]*string{}
	for _, environment := range environments {
		if environment.Domain != nil && environment.Domain.CreateZone {
			zone := dns.NewZone(scope, environment)
			zoneARNs[environment.Name] = zone.ARN
			newOutput(stack, config.NameServersOutput(environment.Name), "Name servers to which "+environment.Domain.Name+" has to be delegated", zone.NameServers)
		}
	}
	github := githubroles.New(scope, githubroles.Config{
		Account:         e.Account,
		Region:          e.Region,
		Repository:      e.Repository,
		RepositoryID:    e.RepositoryID,
		CreateProvider:  e.OIDCProvider == "create",
		Environments:    environments,
		LocksInDynamoDB: e.LocksInDynamoDB(),
		LocksInS3:       e.LocksInS3(),
		StateBucketName: stateBackend.BucketName,
		StateBucketARN:  stateBackend.BucketARN,
		LockTableARN:    stateBackend.TableARN,
		ZoneARNs:        zoneARNs,
	})
	newAccountParts(scope, e)
	forget(stack, e)
	if i := slices.IndexFunc(environments, func(e config.Environment) bool { return e.Backup != nil }); i >= 0 {
		newBackup(stack, scope, environments[i], tags)
		backup.Select(stateBackend.Bucket)
	}
	newOutput(stack, "state_bucket", "S3 bucket of the Terraform state", stateBackend.BucketName)
	newOutput(stack, "lock_table", "DynamoDB table that locks the Terraform state", stateBackend.TableName)
	newOutput(stack, "plan_role_arn", "IAM role that this repository's pull requests assume to plan", github.PlanARN)
	newOutput(stack, "deploy_role_arn", "IAM role that this repository's main branch assumes to deploy", github.DeployARN)
	newOutput(stack, "review_role_arn", "IAM role that this repository's main branch assumes to review the environments", github.ReviewARN)
}

// newAccountParts creates the optional blocks of the environment files that are the account's.
func newAccountParts(scope constructs.Construct, e config.Environment) {
	if e.GuardDuty.CreatesDetector() {
		guardduty.New(scope, *e.GuardDuty)
	}
	if e.Budget != nil {
		budget.New(scope, *e.Budget)
	}
	if e.Shield.CreatesSubscription() {
		shield.NewSubscription(scope)
	}
}

// forget makes Terraform forget what this stack may have created and what is managed elsewhere now: others may use it, so Terraform does not
// destroy it (https://developer.hashicorp.com/terraform/language/resources/syntax#removing-resources).
func forget(stack cdktf.TerraformStack, e config.Environment) {
	var addresses []string
	if e.OIDCProvider == "existing" {
		addresses = append(addresses, githubroles.ProviderAddress)
	}
	if e.GuardDuty != nil && !e.GuardDuty.CreatesDetector() {
		addresses = append(addresses, guardduty.DetectorAddress)
	}
	if e.Shield != nil && !e.Shield.CreatesSubscription() {
		addresses = append(addresses, shield.SubscriptionAddress)
	}
	var removed []any
	for _, address := range addresses {
		removed = append(removed, map[string]any{"from": address, "lifecycle": map[string]any{"destroy": false}})
	}
	if len(removed) > 0 {
		stack.AddOverride(jsii.String("removed"), removed)
	}
}

// newBackup creates the backups of an account. config has checked that all environments with the block have the same.
//
// The provider of the copies is there as long as the file names their region, also without copies: Terraform deletes their vault with it.
func newBackup(stack cdktf.TerraformStack, scope constructs.Construct, e config.Environment, tags map[string]*string) {
	c := backup.Config{Account: e.Account, Backup: *e.Backup}
	if region := e.Backup.CopyToRegion; region != "" {
		c.CopyProvider = newProvider(stack, "backup_copy_"+config.IDSafe(region), e.Account, region, tags)
	}
	backup.New(scope, c)
}

// newScope is the scope of the resources of a stack. Outputs and the state backend, whose id is "backend", are created in
// the stack itself, so that a resource can have the same id. The library leaves the id "Default" out of addresses, so that
// resources in this scope have the addresses of direct children of the stack.
func newScope(stack cdktf.TerraformStack) constructs.Construct {
	return constructs.NewConstruct(stack, jsii.String("Default"))
}

func newOutput(stack cdktf.TerraformStack, name, description string, value any) {
	cdktf.NewTerraformOutput(stack, jsii.String(name), &cdktf.TerraformOutputConfig{
		Description: jsii.String(description),
		Value:       value,
	})
}
