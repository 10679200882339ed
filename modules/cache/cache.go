// Package cache is the ElastiCache Redis of the backend, for cached data and sessions.
package cache

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticachereplicationgroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticachesubnetgroup"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Config is the placement of Redis and the cache block of the environment file.
type Config struct {
	NamePrefix      string    // "starttech-production"
	SubnetIDs       []*string // the private tier
	SecurityGroupID *string

	config.Cache
	DeletionProtection bool // whether a destroy is refused
}

// New creates
//
//	ReplicationGroup
//	  -> SubnetGroup -> Subnets
//	  -> SecurityGroup
func New(scope constructs.Construct, c Config) elasticachereplicationgroup.ElasticacheReplicationGroup {
	subnets := elasticachesubnetgroup.NewElasticacheSubnetGroup(scope, jsii.String("redis_subnets"), &elasticachesubnetgroup.ElasticacheSubnetGroupConfig{
		Name:        jsii.String(c.NamePrefix + "-redis"),
		Description: jsii.String("Private subnets of " + c.NamePrefix),
		SubnetIds:   &c.SubnetIDs,
	})

	var transitMode *string
	if c.TransitEncryption != "off" {
		transitMode = jsii.String(c.TransitEncryption)
	}
	var snapshotWindow *string
	if c.SnapshotRetentionDays > 0 {
		snapshotWindow = jsii.String(c.SnapshotWindow)
	}
	redis := elasticachereplicationgroup.NewElasticacheReplicationGroup(scope, jsii.String("redis"), &elasticachereplicationgroup.ElasticacheReplicationGroupConfig{
		ReplicationGroupId: jsii.String(c.NamePrefix + "-redis"),
		Description:        jsii.String("Cache and sessions of the " + c.NamePrefix + " backend"),
		Engine:             jsii.String(c.Engine),
		EngineVersion:      jsii.String(c.EngineVersion),
		NodeType:           jsii.String(c.NodeType),
		Port:               jsii.Number(6379),
		SubnetGroupName:    subnets.Name(),
		SecurityGroupIds:   &[]*string{c.SecurityGroupID},

		NumCacheClusters:         jsii.Number(1 + c.Replicas),
		AutomaticFailoverEnabled: jsii.Bool(c.Replicas > 0),
		MultiAzEnabled:           jsii.Bool(c.Replicas > 0),

		AtRestEncryptionEnabled:  jsii.String("true"),
		TransitEncryptionEnabled: jsii.Bool(c.TransitEncryption != "off"),
		TransitEncryptionMode:    transitMode,

		SnapshotRetentionLimit:  jsii.Number(c.SnapshotRetentionDays),
		SnapshotWindow:          snapshotWindow,
		SnapshotName:            optional(c.RestoreFrom),
		FinalSnapshotIdentifier: optional(c.FinalSnapshot),
		MaintenanceWindow:       jsii.String(c.MaintenanceWindow),
		AutoMinorVersionUpgrade: jsii.String("true"),
		ApplyImmediately:        jsii.Bool(true), // changes take effect at the apply, not in the maintenance window

		Lifecycle: &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(c.DeletionProtection)},
	})
	suppress.Finding(redis, suppress.AWSKey, "CKV_AWS_191")
	if !c.Auth {
		suppress.Finding(redis, "A password would be in Terraform's state; the security group allows the instances only", "CKV_AWS_31")
	}
	if c.TransitEncryption == "off" {
		suppress.Finding(redis, "The environment file turns TLS off, for clients that do not support it", "CKV_AWS_30")
	}
	if c.Replicas == 0 {
		suppress.Finding(redis, "The environment file asks for no replica, so failover is not possible", "CKV2_AWS_50")
	}
	return redis
}

// optional is an argument that is left out if it is empty.
func optional(value string) *string {
	if value == "" {
		return nil
	}
	return jsii.String(value)
}
