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
// and returns the ARN of the topic.
func New(scope constructs.Construct, c Config) *string {
	topicARN := newTopic(scope, c)
	newAlarms(scope, c, topicARN, newMetrics(c))
	return topicARN
}

// newTopic creates
//
//	Topic -> Key (encrypts it) -> Alias
//	  -> TopicPolicy (CloudWatch alarms of this account, and the Publishers, may publish)
//	  -> Subscription per address
//
// and returns the ARN of the topic.
func newTopic(scope constructs.Construct, c Config) *string {
	publishers := append([]Publisher{{"AllowCloudWatchAlarms", "cloudwatch.amazonaws.com", policy.Condition{
		"StringEquals": {"aws:SourceAccount": {c.Account}},
		"ArnLike":      {"aws:SourceArn": {"arn:aws:cloudwatch:" + c.Region + ":" + c.Account + ":alarm:*"}},
	}}}, c.Publishers...)
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
	key := kmskey.NewKmsKey(scope, jsii.String("alarms_key"), &kmskey.KmsKeyConfig{
		Description:          jsii.String("Encrypts the alarms of " + c.NamePrefix),
		EnableKeyRotation:    jsii.Bool(true),
		DeletionWindowInDays: jsii.Number(30),
		Policy: policy.Document(append([]policy.Statement{
			{
				Sid:       "EnableIAMUserPermissions",
				Effect:    policy.Allow,
				Principal: policy.AWS("arn:aws:iam::" + c.Account + ":root"),
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
				Principal: policy.AWS(config.DeployRoleARN(c.Account)),
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
	kmsalias.NewKmsAlias(scope, jsii.String("alarms_key_alias"), &kmsalias.KmsAliasConfig{
		Name:        jsii.String("alias/" + c.NamePrefix + "-alarms"),
		TargetKeyId: key.KeyId(),
	})

	topicARN := snstopic.NewSnsTopic(scope, jsii.String("alarms"), &snstopic.SnsTopicConfig{
		Name:           jsii.String(c.NamePrefix + "-alarms"),
		KmsMasterKeyId: key.Arn(),
	}).Arn()
	snstopicpolicy.NewSnsTopicPolicy(scope, jsii.String("alarms_policy"), &snstopicpolicy.SnsTopicPolicyConfig{
		Arn:    topicARN,
		Policy: policy.Document(allow(*topicARN, "sns:Publish")...),
	})
	for _, email := range c.AlarmEmails {
		snstopicsubscription.NewSnsTopicSubscription(scope, jsii.String("alarms_to_"+config.IDSafe(email)), &snstopicsubscription.SnsTopicSubscriptionConfig{
			TopicArn: topicARN,
			Protocol: jsii.String("email"),
			Endpoint: jsii.String(email),
		})
	}
	return topicARN
}
