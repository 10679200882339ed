// Package loadbalancer is the Application Load Balancer in front of the instances.
package loadbalancer

import (
	"strconv"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/internetgateway"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/lb"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/lblistener"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/lbtargetgroup"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Output is the load balancer and its target group. The ARN suffixes are the dimensions of their CloudWatch metrics.
type Output struct {
	Name                 string
	Resource             lb.Lb
	ARN                  *string
	ARNSuffix            *string
	DNSName              *string
	TargetGroupARN       *string
	TargetGroupARNSuffix *string
	HTTPS                bool // whether there is a listener on port 443
	Private              bool // whether it has no public address
}

// Config is the placement of the load balancer and the health check of its target group.
type Config struct {
	NamePrefix      string // "starttech-production"
	VPCID           *string
	SubnetIDs       []*string // the public tier, or the private one
	Private         bool      // whether only CloudFront reaches it, by a VPC origin
	InternetGateway internetgateway.InternetGateway
	SecurityGroupID *string
	CertificateARN  *string // nil: no domain, HTTP only

	BackendPort int
	config.LoadBalancer
	DeletionProtection bool
}

// sslPolicy allows TLS 1.2 and 1.3. It is ELB's recommended policy
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html).
const sslPolicy = "ELBSecurityPolicy-TLS13-1-2-2021-06"

// New creates
//
//	LoadBalancer
//	  <- Listener 80  -> TargetGroup, or with a certificate -> redirect to 443
//	  <- Listener 443 -> TargetGroup (with a certificate)
//
// AWS cannot make a public load balancer private. So the private one has another name, and another address in Terraform, whose order of a
// replacement would be a cycle. The listeners move from one to the other, because a target group belongs to one load balancer at a time
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html, TargetGroupAssociationLimit).
func New(scope constructs.Construct, c Config) *Output {
	id, name := "load_balancer", c.NamePrefix
	if c.Private {
		id, name = "private_load_balancer", c.NamePrefix+"-private"
	}
	loadBalancer := lb.NewLb(scope, jsii.String(id), &lb.LbConfig{
		Name:             jsii.String(name),
		LoadBalancerType: jsii.String("application"),
		Internal:         jsii.Bool(c.Private),
		Subnets:          &c.SubnetIDs,
		SecurityGroups:   &[]*string{c.SecurityGroupID},

		// Invalid header fields are used for request smuggling.
		DropInvalidHeaderFields:  jsii.Bool(true),
		EnableDeletionProtection: jsii.Bool(c.DeletionProtection),
		// Without this, Terraform would plan a replacement, and AWS would refuse it in the middle of the apply.
		Lifecycle: &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(c.DeletionProtection)},

		// AWS refuses an internet-facing load balancer in a VPC without an internet gateway, and a VPC origin as well
		// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html).
		DependsOn: &[]cdktf.ITerraformDependable{c.InternetGateway},
	})
	suppress.Finding(loadBalancer, "The access logs go to CloudWatch Logs by a log delivery, which is a separate resource", "CKV_AWS_91")
	if !c.DeletionProtection {
		suppress.Finding(loadBalancer, "The environment file turns deletion protection off", "CKV_AWS_150")
	}

	targets := lbtargetgroup.NewLbTargetGroup(scope, jsii.String("backend_targets"), &lbtargetgroup.LbTargetGroupConfig{
		Name:                jsii.String(c.NamePrefix + "-backend"),
		VpcId:               c.VPCID,
		Protocol:            jsii.String("HTTP"),
		Port:                jsii.Number(config.BackendPort),
		DeregistrationDelay: jsii.String(strconv.Itoa(c.DeregistrationDelaySeconds)),
		HealthCheck: &lbtargetgroup.LbTargetGroupHealthCheck{
			Path:               jsii.String(c.HealthCheckPath),
			Matcher:            jsii.String("200"),
			Interval:           jsii.Number(c.HealthCheckIntervalSeconds),
			Timeout:            jsii.Number(5), // seconds; must be less than the interval
			HealthyThreshold:   jsii.Number(config.HealthyThreshold),
			UnhealthyThreshold: jsii.Number(config.UnhealthyThreshold),
		},
	})

	loadBalancerARN, targetsARN := loadBalancer.Arn(), targets.Arn()
	forward := []*lblistener.LbListenerDefaultAction{{
		Type:           jsii.String("forward"),
		TargetGroupArn: targetsARN,
	}}
	http := forward
	if c.CertificateARN != nil {
		http = []*lblistener.LbListenerDefaultAction{{
			Type: jsii.String("redirect"),
			Redirect: &lblistener.LbListenerDefaultActionRedirect{
				Protocol:   jsii.String("HTTPS"),
				Port:       jsii.String("443"),
				StatusCode: jsii.String("HTTP_301"),
			},
		}}
		lblistener.NewLbListener(scope, jsii.String("https"), &lblistener.LbListenerConfig{
			LoadBalancerArn: loadBalancerARN,
			Protocol:        jsii.String("HTTPS"),
			Port:            jsii.Number(443),
			SslPolicy:       jsii.String(sslPolicy),
			CertificateArn:  c.CertificateARN,
			DefaultAction:   forward,
		})
	}
	listener := lblistener.NewLbListener(scope, jsii.String("http"), &lblistener.LbListenerConfig{
		LoadBalancerArn: loadBalancerARN,
		Protocol:        jsii.String("HTTP"),
		Port:            jsii.Number(80),
		DefaultAction:   http,
	})
	if c.CertificateARN == nil {
		const reason = "Without a domain no certificate can be issued for the load balancer; viewers use CloudFront, over HTTPS"
		suppress.Finding(loadBalancer, reason, "CKV2_AWS_20")
		suppress.Finding(targets, reason, "CKV_AWS_378")
		suppress.Finding(listener, reason, "CKV_AWS_2", "CKV_AWS_103")
	}
	return &Output{
		Name:                 name,
		Resource:             loadBalancer,
		ARN:                  loadBalancerARN,
		ARNSuffix:            loadBalancer.ArnSuffix(),
		DNSName:              loadBalancer.DnsName(),
		TargetGroupARN:       targetsARN,
		TargetGroupARNSuffix: targets.ArnSuffix(),
		HTTPS:                c.CertificateARN != nil,
		Private:              c.Private,
	}
}
