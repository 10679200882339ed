package frontend

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontdistribution"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontvpcorigin"
	"github.com/hashicorp/terraform-cdk-go/cdktf"
)

// newAPIOrigin is the load balancer as an origin of the distribution: over the internet, or by a VpcOrigin if it is private.
func newAPIOrigin(scope constructs.Construct, c Config) *cloudfrontdistribution.CloudfrontDistributionOrigin {
	origin := &cloudfrontdistribution.CloudfrontDistributionOrigin{
		OriginId:   jsii.String(apiOrigin),
		DomainName: c.LoadBalancer.DNSName,
	}
	protocol := "http"
	if c.LoadBalancer.HTTPS {
		protocol = "https" // CloudFront checks the load balancer's certificate against the viewer's Host
	}
	if c.LoadBalancer.Private {
		origin.VpcOriginConfig = &cloudfrontdistribution.CloudfrontDistributionOriginVpcOriginConfig{VpcOriginId: newVPCOrigin(scope, c, protocol).Id()}
		return origin
	}
	origin.CustomOriginConfig = &cloudfrontdistribution.CloudfrontDistributionOriginCustomOriginConfig{
		OriginProtocolPolicy: jsii.String(protocol + "-only"),
		HttpPort:             jsii.Number(80),
		HttpsPort:            jsii.Number(443),
		OriginSslProtocols:   jsii.Strings("TLSv1.2"),
	}
	return origin
}

// newVPCOrigin creates the private connection of CloudFront with the load balancer. AWS neither changes nor deletes one that a distribution uses
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html). So each protocol has its own, and
// Terraform deletes the old one after the distribution has changed. What an origin depends on gets the same lifecycle
// (https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle#create_before_destroy).
func newVPCOrigin(scope constructs.Construct, c Config, protocol string) cloudfrontvpcorigin.CloudfrontVpcOrigin {
	return cloudfrontvpcorigin.NewCloudfrontVpcOrigin(scope, jsii.String("vpc_origin_"+protocol), &cloudfrontvpcorigin.CloudfrontVpcOriginConfig{
		VpcOriginEndpointConfig: []*cloudfrontvpcorigin.CloudfrontVpcOriginVpcOriginEndpointConfig{{
			Name:                 jsii.String(c.NamePrefix + "-" + protocol),
			Arn:                  c.LoadBalancer.ARN,
			OriginProtocolPolicy: jsii.String(protocol + "-only"),
			HttpPort:             jsii.Number(80),
			HttpsPort:            jsii.Number(443),
			OriginSslProtocols: []*cloudfrontvpcorigin.CloudfrontVpcOriginVpcOriginEndpointConfigOriginSslProtocols{{
				Items:    jsii.Strings("TLSv1.2"),
				Quantity: jsii.Number(1),
			}},
		}},
		Lifecycle: &cdktf.TerraformResourceLifecycle{CreateBeforeDestroy: jsii.Bool(true)},
	})
}
