// Package dns gives the site a custom domain: certificates in ACM, records in Route 53.
package dns

import (
	"fmt"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/acmcertificate"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/acmcertificatevalidation"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontdistribution"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/dataawsroute53zone"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/route53record"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
)

// Output is the ARNs of the certificates. A resource that refers to one waits until it is issued.
type Output struct {
	CloudFrontARN   *string
	LoadBalancerARN *string
}

// Config is the domain of the environment file.
type Config struct {
	config.Domain
	// USEast1 is a provider of us-east-1, the only region whose certificates CloudFront takes
	// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html).
	USEast1 cdktf.TerraformProvider
}

// New creates
//
//	Certificate (us-east-1)    -> validation Record -> CertificateValidation
//	Certificate (the region's) ->                   -> CertificateValidation
//
// One validation record serves both certificates: within an account, it is the same in every region
// (https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html).
func New(scope constructs.Construct, c Config) *Output {
	zone := dataawsroute53zone.NewDataAwsRoute53Zone(scope, jsii.String("hosted_zone"), &dataawsroute53zone.DataAwsRoute53ZoneConfig{
		ZoneId: jsii.String(c.HostedZoneID),
	})
	// Otherwise the certificates would wait for a record that nobody finds.
	isInZone := &cdktf.Precondition{
		Condition: cdktf.Fn_Endswith(jsii.String("."+c.Name), jsii.String("."+*zone.Name())),
		ErrorMessage: jsii.String(fmt.Sprintf("domain.name: %s is not in the hosted zone %s, which is of %s; allowed: the ID of the zone that contains the name",
			c.Name, c.HostedZoneID, *zone.Name())),
	}
	// Nobody on the internet reads a private zone, ACM neither
	// (https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html).
	isPublic := &cdktf.Precondition{
		Condition:    cdktf.Op_Not(zone.PrivateZone()),
		ErrorMessage: jsii.String(fmt.Sprintf("domain.hostedZoneId: the hosted zone %s is private; allowed: the ID of a public zone that contains %s", c.HostedZoneID, c.Name)),
	}
	cloudFront := newCertificate(scope, "cloudfront_certificate", c.Name, c.USEast1, isPublic, isInZone)
	loadBalancer := newCertificate(scope, "load_balancer_certificate", c.Name, nil, isPublic, isInZone)

	validation := cloudFront.DomainValidationOptions().Get(jsii.Number(0))
	record := route53record.NewRoute53Record(scope, jsii.String("certificate_validation_record"), &route53record.Route53RecordConfig{
		ZoneId:         jsii.String(c.HostedZoneID),
		Name:           validation.ResourceRecordName(),
		Type:           validation.ResourceRecordType(),
		Records:        &[]*string{validation.ResourceRecordValue()},
		Ttl:            jsii.Number(300),
		AllowOverwrite: jsii.Bool(true), // an earlier certificate of the domain left the same record
	})
	return &Output{
		CloudFrontARN:   newValidation(scope, "cloudfront_certificate_validation", cloudFront, record, c.USEast1),
		LoadBalancerARN: newValidation(scope, "load_balancer_certificate_validation", loadBalancer, record, nil),
	}
}

func newCertificate(scope constructs.Construct, id, name string, provider cdktf.TerraformProvider, preconditions ...*cdktf.Precondition) acmcertificate.AcmCertificate {
	return acmcertificate.NewAcmCertificate(scope, jsii.String(id), &acmcertificate.AcmCertificateConfig{
		DomainName:       jsii.String(name),
		ValidationMethod: jsii.String("DNS"),
		Provider:         provider,
		// A certificate that is in use cannot be deleted, so its replacement is created first.
		Lifecycle: &cdktf.TerraformResourceLifecycle{CreateBeforeDestroy: jsii.Bool(true), Precondition: &preconditions},
	})
}

// newValidation waits until the certificate is issued. It returns the ARN of the certificate.
func newValidation(scope constructs.Construct, id string, certificate acmcertificate.AcmCertificate, record route53record.Route53Record, provider cdktf.TerraformProvider) *string {
	return acmcertificatevalidation.NewAcmCertificateValidation(scope, jsii.String(id), &acmcertificatevalidation.AcmCertificateValidationConfig{
		CertificateArn: certificate.Arn(),
		Provider:       provider,
		DependsOn:      &[]cdktf.ITerraformDependable{record},
	}).CertificateArn()
}

// NewAliasRecords creates the records that point the domain to the distribution, by IPv4 and IPv6.
func NewAliasRecords(scope constructs.Construct, domain config.Domain, distribution cloudfrontdistribution.CloudfrontDistribution) {
	target := &route53record.Route53RecordAlias{
		Name:                 distribution.DomainName(),
		ZoneId:               distribution.HostedZoneId(),
		EvaluateTargetHealth: jsii.Bool(false),
	}
	for _, record := range []struct{ id, kind string }{{"alias_ipv4", "A"}, {"alias_ipv6", "AAAA"}} {
		route53record.NewRoute53Record(scope, jsii.String(record.id), &route53record.Route53RecordConfig{
			ZoneId: jsii.String(domain.HostedZoneID),
			Name:   jsii.String(domain.Name),
			Type:   jsii.String(record.kind),
			Alias:  target,
		})
	}
}
