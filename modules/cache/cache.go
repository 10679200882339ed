// Package cache is the Redis that the backend keeps its cache and sessions in.
package cache

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticachereplicationgroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticachesubnetgroup"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/modules/exception"
)

// Config says where Redis lives and how much of it there is.
type Config struct {
	Name            string    // prefix of every physical name, "starttech-production"
	SubnetIDs       []*string // the private tier
	SecurityGroupID *string

	NodeType              string // "cache.t3.micro"
	EngineVersion         string // "7.1"
	Replicas              int    // read replicas; one or more turns automatic failover and Multi-AZ on
	SnapshotRetentionDays int    // 0 takes no snapshots
	SnapshotWindow        string // daily, UTC, "01:00-02:00"
	MaintenanceWindow     string // weekly, UTC, "sun:03:00-sun:04:00"
	TransitEncryption     string // "off", "preferred" (clients with and without TLS) or "required"
	Protected             bool   // whether a destroy is refused
}

// New creates
//
//	ReplicationGroup
//	  -> SubnetGroup -> Subnets
//	  -> SecurityGroup
func New(scope constructs.Construct, config Config) elasticachereplicationgroup.ElasticacheReplicationGroup {
	subnets := elasticachesubnetgroup.NewElasticacheSubnetGroup(scope, jsii.String("redis_subnets"), &elasticachesubnetgroup.ElasticacheSubnetGroupConfig{
		Name:        jsii.String(config.Name + "-redis"),
		Description: jsii.String("Private subnets of " + config.Name),
		SubnetIds:   &config.SubnetIDs,
	})

	var transitMode *string
	if config.TransitEncryption != "off" {
		transitMode = jsii.String(config.TransitEncryption)
	}
	var snapshotWindow *string
	if config.SnapshotRetentionDays > 0 {
		snapshotWindow = jsii.String(config.SnapshotWindow)
	}
	redis := elasticachereplicationgroup.NewElasticacheReplicationGroup(scope, jsii.String("redis"), &elasticachereplicationgroup.ElasticacheReplicationGroupConfig{
		ReplicationGroupId: jsii.String(config.Name + "-redis"),
		Description:        jsii.String("Cache and sessions of the " + config.Name + " backend"),
		Engine:             jsii.String("redis"),
		EngineVersion:      jsii.String(config.EngineVersion),
		NodeType:           jsii.String(config.NodeType),
		Port:               jsii.Number(6379),
		SubnetGroupName:    subnets.Name(),
		SecurityGroupIds:   &[]*string{config.SecurityGroupID},

		NumCacheClusters:         jsii.Number(1 + config.Replicas),
		AutomaticFailoverEnabled: jsii.Bool(config.Replicas > 0),
		MultiAzEnabled:           jsii.Bool(config.Replicas > 0),

		AtRestEncryptionEnabled:  jsii.String("true"),
		TransitEncryptionEnabled: jsii.Bool(config.TransitEncryption != "off"),
		TransitEncryptionMode:    transitMode,

		SnapshotRetentionLimit:  jsii.Number(config.SnapshotRetentionDays),
		SnapshotWindow:          snapshotWindow,
		MaintenanceWindow:       jsii.String(config.MaintenanceWindow),
		AutoMinorVersionUpgrade: jsii.String("true"),
		ApplyImmediately:        jsii.Bool(true), // what a plan shows happens at its apply, not on Sunday

		Lifecycle: &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(config.Protected)},
	})
	exception.Accept(redis, exception.AWSKey, "CKV_AWS_191")
	exception.Accept(redis, "A password would stand in Terraform's state; the security group lets in the instances alone", "CKV_AWS_31")
	if config.TransitEncryption == "off" {
		exception.Accept(redis, "The environment file turns TLS off, for clients that have none", "CKV_AWS_30")
	}
	if config.Replicas == 0 {
		exception.Accept(redis, "The environment file asks for no replica, so there is none to fail over to", "CKV2_AWS_50")
	}
	return redis
}
