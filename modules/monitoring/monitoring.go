// Package monitoring is what tells an operator how the system fares: dashboard, alarms and the topic that carries
// them.
package monitoring

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/autoscalinggroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchdashboard"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticachereplicationgroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/kmsalias"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/kmskey"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/snstopic"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/snstopicpolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/snstopicsubscription"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/modules/exception"
	"github.com/starttech/infrastructure/modules/loadbalancer"
	"github.com/starttech/infrastructure/modules/policy"
)

// Output is where to look and where to listen.
type Output struct {
	Dashboard cloudwatchdashboard.CloudwatchDashboard
	Topic     snstopic.SnsTopic
}

// Config says what is watched and who is told.
type Config struct {
	Name             string // prefix of every physical name, "starttech-production"
	Account          string
	Region           string
	LoadBalancer     *loadbalancer.Output
	AutoScalingGroup autoscalinggroup.AutoscalingGroup
	Redis            elasticachereplicationgroup.ElasticacheReplicationGroup
	RedisNodes       int
	RedisNodeType    string
	MinSize          int // of the Auto Scaling group
	AlarmEmails      []string
}

// New creates
//
//	LoadBalancer, AutoScalingGroup, Redis -> Alarms -> Topic -> e-mail Subscriptions
//	                                      -> Dashboard
func New(scope constructs.Construct, config Config) *Output {
	topic := newTopic(scope, config)
	m := newMetrics(config)
	newAlarms(scope, config, topic, m)
	return &Output{Dashboard: newDashboard(scope, config, m), Topic: topic}
}

// newTopic creates
//
//	Topic -> Key (encrypts it) -> Alias
//	  -> TopicPolicy (CloudWatch's alarms of this account may publish)
//	  -> Subscription per address
func newTopic(scope constructs.Construct, cfg Config) snstopic.SnsTopic {
	fromAlarms := policy.Condition{
		"StringEquals": {"aws:SourceAccount": {cfg.Account}},
		"ArnLike":      {"aws:SourceArn": {"arn:aws:cloudwatch:" + cfg.Region + ":" + cfg.Account + ":alarm:*"}},
	}

	// CloudWatch cannot publish to a topic under SNS's own key, because that key's policy cannot be given to it
	// (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
	key := kmskey.NewKmsKey(scope, jsii.String("alarms_key"), &kmskey.KmsKeyConfig{
		Description:          jsii.String("Encrypts the alarms of " + cfg.Name),
		EnableKeyRotation:    jsii.Bool(true),
		DeletionWindowInDays: jsii.Number(30),
		Policy: policy.Document(
			policy.Statement{
				Sid:       "AccountAdministers",
				Effect:    policy.Allow,
				Principal: policy.AWS("arn:aws:iam::" + cfg.Account + ":root"),
				Action:    []string{"kms:*"},
				Resource:  []string{"*"}, // in a key's policy: this key
			},
			policy.Statement{
				Sid:       "AlarmsPublish",
				Effect:    policy.Allow,
				Principal: policy.Service("cloudwatch.amazonaws.com"),
				Action:    []string{"kms:Decrypt", "kms:GenerateDataKey*"},
				Resource:  []string{"*"},
				Condition: fromAlarms,
			},
		),
	})
	exception.Accept(key, "In a key's policy * is this key alone, and its account has to be able to administer it",
		"RESOURCE_STAR:AccountAdministers", "RESOURCE_STAR:AlarmsPublish", "PERMISSIONS_MANAGEMENT_ACTIONS")
	kmsalias.NewKmsAlias(scope, jsii.String("alarms_key_alias"), &kmsalias.KmsAliasConfig{
		Name:        jsii.String("alias/" + cfg.Name + "-alarms"),
		TargetKeyId: key.KeyId(),
	})

	topic := snstopic.NewSnsTopic(scope, jsii.String("alarms"), &snstopic.SnsTopicConfig{
		Name:           jsii.String(cfg.Name + "-alarms"),
		KmsMasterKeyId: key.Arn(),
	})
	snstopicpolicy.NewSnsTopicPolicy(scope, jsii.String("alarms_policy"), &snstopicpolicy.SnsTopicPolicyConfig{
		Arn: topic.Arn(),
		Policy: policy.Document(policy.Statement{
			Sid:       "AlarmsPublish",
			Effect:    policy.Allow,
			Principal: policy.Service("cloudwatch.amazonaws.com"),
			Action:    []string{"sns:Publish"},
			Resource:  []string{*topic.Arn()},
			Condition: fromAlarms,
		}),
	})
	for _, email := range cfg.AlarmEmails {
		snstopicsubscription.NewSnsTopicSubscription(scope, jsii.String("alarms_to_"+config.Word(email)), &snstopicsubscription.SnsTopicSubscriptionConfig{
			TopicArn: topic.Arn(),
			Protocol: jsii.String("email"),
			Endpoint: jsii.String(email),
		})
	}
	return topic
}
