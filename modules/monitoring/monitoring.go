// Package monitoring is the CloudWatch dashboard, the alarms, and the SNS topic that notifies the operators.
package monitoring

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/kmsalias"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/kmskey"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/snstopic"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/snstopicpolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/snstopicsubscription"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/modules/loadbalancer"
)

// Config is the resources that the alarms watch, and the recipients.
type Config struct {
	NamePrefix           string // "starttech-production"
	Account              string
	Region               string
	LoadBalancer         *loadbalancer.Output
	AutoScalingGroupName *string
	RedisNodes           *[]*string // IDs of the replication group's nodes
	config.Backend
	config.Cache
	AlarmEmails []string
	Publishers  []Publisher // besides the alarms
	Runbook     config.Runbook
}

// Publisher is an AWS service that publishes to the topic.
type Publisher struct {
	Sid       string           // of its statements: "AllowEventBridge"
	Service   string           // "events.amazonaws.com"
	Condition policy.Condition // nil: none
}

// New creates
//
//	LoadBalancer, AutoScalingGroup, Redis -> Alarms -> Topic -> e-mail Subscriptions
//
// and returns what further alarms have in common with these.
func New(scope constructs.Construct, c Config) Alarms {
	topicARN := NewTopic(scope, Topic{ID: "alarms", Name: c.NamePrefix, Account: c.Account, Region: c.Region, Emails: c.AlarmEmails, Publishers: c.Publishers})
	alarms := Alarms{NamePrefix: c.NamePrefix, TopicARN: topicARN, Runbook: c.Runbook}
	newAlarms(scope, c, alarms, newMetrics(c))
	return alarms
}

// Topic is a topic of alarms, and its recipients.
type Topic struct {
	ID       string // beginning of the ids of its resources
	Name     string // of what the alarms are; the topic is NAME-alarms
	Account  string
	Region   string
	Provider cdktf.TerraformProvider // of Region; nil: the stack's own
	Emails   []string

	Publishers []Publisher // besides the alarms
}

// NewTopic creates
//
//	Topic -> Key (encrypts it) -> Alias
//	  -> TopicPolicy (CloudWatch alarms of this account, and the Publishers, may publish)
//	  -> Subscription per address
//
// and returns the ARN of the topic.
func NewTopic(scope constructs.Construct, t Topic) *string {
	publishers := append([]Publisher{{"AllowCloudWatchAlarms", "cloudwatch.amazonaws.com", policy.Condition{
		"StringEquals": {"aws:SourceAccount": {t.Account}},
		"ArnLike":      {"aws:SourceArn": {"arn:aws:cloudwatch:" + t.Region + ":" + t.Account + ":alarm:*"}},
	}}}, t.Publishers...)
	// allow is a statement for each publisher.
	allow := func(resource string, actions ...string) []policy.Statement {
		var statements []policy.Statement
		for _, publisher := range publishers {
			statements = append(statements, policy.Statement{
				Sid:       publisher.Sid,
				Effect:    policy.Allow,
				Principal: policy.Service(publisher.Service),
				Action:    actions,
				Resource:  []string{resource},
				Condition: publisher.Condition,
			})
		}
		return statements
	}

	// CloudWatch cannot publish to a topic that is encrypted by the AWS managed key of SNS, because the policy of that key
	// cannot be changed
	// (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
	key := kmskey.NewKmsKey(scope, jsii.String(t.ID+"_key"), &kmskey.KmsKeyConfig{
		Provider:             t.Provider,
		Description:          jsii.String("Encrypts the alarms of " + t.Name),
		EnableKeyRotation:    jsii.Bool(true),
		DeletionWindowInDays: jsii.Number(30),
		Policy: policy.Document(append([]policy.Statement{
			{
				Sid:       "EnableIAMUserPermissions",
				Effect:    policy.Allow,
				Principal: policy.AWS("arn:aws:iam::" + t.Account + ":root"),
				Action:    []string{"kms:*"},
				Resource:  []string{"*"}, // in a key policy, this key
			},
			// KMS creates a key only if its policy allows the caller to change it again
			// (https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html). The deploy role's own policies allow
			// what follows by the key's tag, which KMS may take five minutes to see
			// (https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html).
			{
				Sid:       "AllowDeployToSetUp",
				Effect:    policy.Allow,
				Principal: policy.AWS(config.DeployRoleARN(t.Account)),
				Action:    []string{"kms:CreateAlias", "kms:EnableKeyRotation", "kms:PutKeyPolicy"},
				Resource:  []string{"*"},
			},
		}, allow("*", "kms:Decrypt", "kms:GenerateDataKey*")...)...),
	})
	const onlyKey = "In a key policy, * is this key only, and the account has to be able to administer it"
	suppress.Finding(key, onlyKey,
		"RESOURCE_STAR:EnableIAMUserPermissions", "RESOURCE_STAR:AllowDeployToSetUp", "PERMISSIONS_MANAGEMENT_ACTIONS")
	for _, publisher := range publishers {
		suppress.Finding(key, onlyKey, "RESOURCE_STAR:"+publisher.Sid)
	}
	kmsalias.NewKmsAlias(scope, jsii.String(t.ID+"_key_alias"), &kmsalias.KmsAliasConfig{
		Provider:    t.Provider,
		Name:        jsii.String("alias/" + t.Name + "-alarms"),
		TargetKeyId: key.KeyId(),
	})

	topicARN := snstopic.NewSnsTopic(scope, jsii.String(t.ID), &snstopic.SnsTopicConfig{
		Provider:       t.Provider,
		Name:           jsii.String(t.Name + "-alarms"),
		KmsMasterKeyId: key.Arn(),
	}).Arn()
	snstopicpolicy.NewSnsTopicPolicy(scope, jsii.String(t.ID+"_policy"), &snstopicpolicy.SnsTopicPolicyConfig{
		Provider: t.Provider,
		Arn:      topicARN,
		Policy:   policy.Document(allow(*topicARN, "sns:Publish")...),
	})
	for _, email := range t.Emails {
		snstopicsubscription.NewSnsTopicSubscription(scope, jsii.String(t.ID+"_to_"+config.IDSafe(email)), &snstopicsubscription.SnsTopicSubscriptionConfig{
			Provider: t.Provider,
			TopicArn: topicARN,
			Protocol: jsii.String("email"),
			Endpoint: jsii.String(email),
		})
	}
	return topicARN
}
