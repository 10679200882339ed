// Package domain gives the site a name of its own: certificates in ACM, records in Route 53.
package domain

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/acmcertificate"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/acmcertificatevalidation"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontdistribution"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/route53record"
	"github.com/hashicorp/terraform-cdk-go/cdktf"
)

// Output is the ARNs of the certificates. What refers to one waits until it is issued.
type Output struct {
	SiteARN         *string // for CloudFront
	LoadBalancerARN *string
}

// Config says which name it is.
type Config struct {
	Name   string // "app.example.com"
	ZoneID string // of the public Route 53 zone that holds the name
	// USEast1 is a provider of us-east-1, the only region whose certificates CloudFront takes
	// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html).
	USEast1 cdktf.TerraformProvider
}

// New creates
//
//	Certificate (us-east-1)    -> Record that proves the name -> CertificateValidation
//	Certificate (the region's) ->                             -> CertificateValidation
//
// One record proves the name for both: within an account, it is the same in every region
// (https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html).
func New(scope constructs.Construct, config Config) *Output {
	site := newCertificate(scope, "site_certificate", config.Name, config.USEast1)
	balancer := newCertificate(scope, "load_balancer_certificate", config.Name, nil)

	proof := site.DomainValidationOptions().Get(jsii.Number(0))
	record := route53record.NewRoute53Record(scope, jsii.String("certificate_proof"), &route53record.Route53RecordConfig{
		ZoneId:         jsii.String(config.ZoneID),
		Name:           proof.ResourceRecordName(),
		Type:           proof.ResourceRecordType(),
		Records:        &[]*string{proof.ResourceRecordValue()},
		Ttl:            jsii.Number(300),
		AllowOverwrite: jsii.Bool(true), // an earlier certificate of the name left the same record
	})
	return &Output{
		SiteARN:         newValidation(scope, "site_certificate_issued", site, record, config.USEast1),
		LoadBalancerARN: newValidation(scope, "load_balancer_certificate_issued", balancer, record, nil),
	}
}

func newCertificate(scope constructs.Construct, id, name string, provider cdktf.TerraformProvider) acmcertificate.AcmCertificate {
	return acmcertificate.NewAcmCertificate(scope, jsii.String(id), &acmcertificate.AcmCertificateConfig{
		DomainName:       jsii.String(name),
		ValidationMethod: jsii.String("DNS"),
		Provider:         provider,
		// A certificate that is in use cannot be deleted: its successor has to be in place first.
		Lifecycle: &cdktf.TerraformResourceLifecycle{CreateBeforeDestroy: jsii.Bool(true)},
	})
}

// newValidation waits until the certificate is issued, and returns its ARN.
func newValidation(scope constructs.Construct, id string, certificate acmcertificate.AcmCertificate, proof route53record.Route53Record, provider cdktf.TerraformProvider) *string {
	return acmcertificatevalidation.NewAcmCertificateValidation(scope, jsii.String(id), &acmcertificatevalidation.AcmCertificateValidationConfig{
		CertificateArn: certificate.Arn(),
		Provider:       provider,
		DependsOn:      &[]cdktf.ITerraformDependable{proof},
	}).CertificateArn()
}

// Point creates the records that lead the name, by IPv4 and IPv6, to the distribution.
func Point(scope constructs.Construct, config Config, distribution cloudfrontdistribution.CloudfrontDistribution) {
	target := &route53record.Route53RecordAlias{
		Name:                 distribution.DomainName(),
		ZoneId:               distribution.HostedZoneId(),
		EvaluateTargetHealth: jsii.Bool(false),
	}
	for _, record := range []struct{ id, kind string }{{"site_ipv4", "A"}, {"site_ipv6", "AAAA"}} {
		route53record.NewRoute53Record(scope, jsii.String(record.id), &route53record.Route53RecordConfig{
			ZoneId: jsii.String(config.ZoneID),
			Name:   jsii.String(config.Name),
			Type:   jsii.String(record.kind),
			Alias:  target,
		})
	}
}
