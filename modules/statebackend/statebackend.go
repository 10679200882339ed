// Package statebackend is the S3 bucket with the Terraform states of an account, and the DynamoDB table with their locks.
package statebackend

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/dynamodbtable"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucket"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/modules/bucket"
)

// Output is the bucket and the table.
type Output struct {
	Bucket     s3bucket.S3Bucket
	BucketName *string
	BucketARN  *string
	TableName  *string
	TableARN   *string
}

// Config is the names of the bucket and the table.
type Config struct {
	Bucket string
	Table  string
}

// oldVersionDays is the number of days that a replaced state can be restored.
const oldVersionDays = 90

// New creates
//
//	Bucket (private, versioned)
//	Table
//
// The table is there also if the locks are in S3: with it, there is a way back, and it costs nothing while it is idle.
func New(scope constructs.Construct, c Config) *Output {
	states := bucket.New(scope, "state", bucket.Config{
		Name:                    c.Bucket,
		OldVersionRetentionDays: oldVersionDays,
		DeletionProtection:      true,
	})
	states.NewPolicy(scope, "state")

	table := dynamodbtable.NewDynamodbTable(scope, jsii.String("state_lock"), &dynamodbtable.DynamodbTableConfig{
		Name:        jsii.String(c.Table),
		BillingMode: jsii.String("PAY_PER_REQUEST"),
		// What Terraform's S3 backend asks for (https://developer.hashicorp.com/terraform/language/backend/s3).
		HashKey:                   jsii.String("LockID"),
		Attribute:                 []*dynamodbtable.DynamodbTableAttribute{{Name: jsii.String("LockID"), Type: jsii.String("S")}},
		PointInTimeRecovery:       &dynamodbtable.DynamodbTablePointInTimeRecovery{Enabled: jsii.Bool(true)},
		DeletionProtectionEnabled: jsii.Bool(true),
		Lifecycle:                 &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(true)},
	})
	suppress.Finding(table, suppress.AWSKey, "CKV_AWS_119")
	return &Output{Bucket: states, BucketName: states.Bucket(), BucketARN: states.Arn(), TableName: table.Name(), TableARN: table.Arn()}
}
