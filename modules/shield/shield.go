// Package shield is AWS Shield Advanced: the subscription of an account, and the protections of an environment.
package shield

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/shieldprotection"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/shieldsubscription"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/modules/network"
)

// SubscriptionAddress is the address of a created subscription.
const SubscriptionAddress = "aws_shield_subscription.shield"

// NewSubscription subscribes the account for a year, which AWS renews. Nothing of this project ends it: if Terraform destroys the resource, it
// only forgets it, and calls nothing of AWS.
//
// Whether AWS renews the subscription is for a person to decide, in its last 30 days. The provider does not send auto_renew when it subscribes
// (https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/shield/subscription.go).
func NewSubscription(scope constructs.Construct) {
	shieldsubscription.NewShieldSubscription(scope, jsii.String("shield"), &shieldsubscription.ShieldSubscriptionConfig{
		SkipDestroy: jsii.Bool(true),
		Lifecycle:   &cdktf.TerraformResourceLifecycle{IgnoreChanges: jsii.Strings("auto_renew")},
	})
}

// Config is what is protected.
type Config struct {
	NamePrefix      string // "starttech-production"
	Account         string
	Region          string
	DistributionARN *string
	LoadBalancerARN *string // nil: it is private
	NATAddresses    []network.NATAddress
}

// NewProtections creates
//
//	Protection -> Distribution
//	Protection -> LoadBalancer, if the internet reaches it
//	Protection -> ElasticIP of each NAT gateway
//
// AWS refuses them without a subscription
// (https://docs.aws.amazon.com/waf/latest/DDOSAPIReference/API_CreateProtection.html).
func NewProtections(scope constructs.Construct, c Config) {
	protect := func(id, name string, arn *string) {
		shieldprotection.NewShieldProtection(scope, jsii.String(id+"_protection"), &shieldprotection.ShieldProtectionConfig{
			Name:        jsii.String(c.NamePrefix + "-" + name),
			ResourceArn: arn,
		})
	}
	protect("distribution", "distribution", c.DistributionARN)
	if c.LoadBalancerARN != nil {
		protect("load_balancer", "load-balancer", c.LoadBalancerARN)
	}
	for _, address := range c.NATAddresses {
		// Shield's form of the ARN, which is not EC2's (as above).
		protect("nat_"+address.Letter, "nat-"+address.Letter, jsii.String("arn:aws:ec2:"+c.Region+":"+c.Account+":eip-allocation/"+*address.AllocationID))
	}
}
