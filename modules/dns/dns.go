// Package dns gives the site a custom domain: certificates in ACM, records in Route 53, and a hosted zone if none exists.
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

// Output is the hosted zone, and the ARNs of the certificates. A resource that refers to one of these waits until it is issued.
type Output struct {
	ZoneID          *string
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
//	Certificate (us-east-1)    -> validation Record of each name -> CertificateValidation
//	Certificate (the region's) ->                                -> CertificateValidation
//	CAA Record, if the file asks for it
//
// One validation record serves both certificates: within an account, it is the same in every region
// (https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html).
func New(scope constructs.Construct, c Config) *Output {
	zoneID, preconditions := findZone(scope, c)
	cloudFront := newCertificate(scope, "cloudfront_certificate", c, c.USEast1, preconditions)
	loadBalancer := newCertificate(scope, "load_balancer_certificate", c, nil, preconditions)

	var records []cdktf.ITerraformDependable
	for i, name := range c.Names() {
		id := "certificate_validation_record"
		if i > 0 {
			id = "certificate_validation_record_www"
		}
		// The options are a set, in no order.
		option := func(attribute string) *string {
			return jsii.String(fmt.Sprintf("${one([for o in %s.domain_validation_options : o.%s if o.domain_name == %q])}",
				*cloudFront.TerraformResourceType()+"."+*cloudFront.FriendlyUniqueId(), attribute, name))
		}
		records = append(records, route53record.NewRoute53Record(scope, jsii.String(id), &route53record.Route53RecordConfig{
			ZoneId:         zoneID,
			Name:           option("resource_record_name"),
			Type:           option("resource_record_type"),
			Records:        &[]*string{option("resource_record_value")},
			Ttl:            jsii.Number(300),
			AllowOverwrite: jsii.Bool(true), // an earlier certificate of the domain left the same record
		}))
	}
	if c.CAA {
		newCAARecord(scope, c, zoneID)
	}
	return &Output{
		ZoneID:          zoneID,
		CloudFrontARN:   newValidation(scope, "cloudfront_certificate_validation", cloudFront, records, c.USEast1),
		LoadBalancerARN: newValidation(scope, "load_balancer_certificate_validation", loadBalancer, records, nil),
	}
}

// findZone looks the hosted zone up: by its ID, or by the name of the domain if bootstrap has created it. It returns the ID, and what has to be
// true of the zone before a certificate is requested.
func findZone(scope constructs.Construct, c Config) (zoneID *string, preconditions []*cdktf.Precondition) {
	if c.CreateZone {
		zone := dataawsroute53zone.NewDataAwsRoute53Zone(scope, jsii.String("hosted_zone"), &dataawsroute53zone.DataAwsRoute53ZoneConfig{
			Name: jsii.String(c.Name), // of public zones only
		})
		return zone.ZoneId(), nil
	}
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
	return jsii.String(c.HostedZoneID), []*cdktf.Precondition{isPublic, isInZone}
}

func newCertificate(scope constructs.Construct, id string, c Config, provider cdktf.TerraformProvider, preconditions []*cdktf.Precondition) acmcertificate.AcmCertificate {
	// A certificate that is in use cannot be deleted, so its replacement is created first.
	lifecycle := &cdktf.TerraformResourceLifecycle{CreateBeforeDestroy: jsii.Bool(true)}
	if len(preconditions) > 0 {
		lifecycle.Precondition = &preconditions
	}
	var others *[]*string
	if names := c.Names()[1:]; len(names) > 0 {
		others = jsii.Strings(names...)
	}
	return acmcertificate.NewAcmCertificate(scope, jsii.String(id), &acmcertificate.AcmCertificateConfig{
		DomainName:              jsii.String(c.Name),
		SubjectAlternativeNames: others,
		ValidationMethod:        jsii.String("DNS"),
		Provider:                provider,
		Lifecycle:               lifecycle,
	})
}

// newValidation waits until the certificate is issued. It returns the ARN of the certificate.
func newValidation(scope constructs.Construct, id string, certificate acmcertificate.AcmCertificate, records []cdktf.ITerraformDependable, provider cdktf.TerraformProvider) *string {
	return acmcertificatevalidation.NewAcmCertificateValidation(scope, jsii.String(id), &acmcertificatevalidation.AcmCertificateValidationConfig{
		CertificateArn: certificate.Arn(),
		Provider:       provider,
		DependsOn:      &records,
	}).CertificateArn()
}

// amazonAuthorities are the names of Amazon's certificate authorities in a CAA record
// (https://docs.aws.amazon.com/acm/latest/userguide/setup-caa.html).
var amazonAuthorities = []string{"amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"}

// newCAARecord allows Amazon's authorities to issue certificates, and nobody wildcard certificates, which the site does not have
// (https://datatracker.ietf.org/doc/html/rfc8659#section-4.3).
func newCAARecord(scope constructs.Construct, c Config, zoneID *string) {
	values := []*string{jsii.String(`0 issuewild ";"`)}
	for _, authority := range amazonAuthorities {
		values = append(values, jsii.String(fmt.Sprintf("0 issue %q", authority)))
	}
	route53record.NewRoute53Record(scope, jsii.String("caa"), &route53record.Route53RecordConfig{
		ZoneId:  zoneID,
		Name:    jsii.String(c.Name),
		Type:    jsii.String("CAA"),
		Records: &values,
		Ttl:     jsii.Number(300),
	})
}

// NewAliasRecords creates the records that point the names of the site to the distribution, by IPv4 and IPv6.
func NewAliasRecords(scope constructs.Construct, domain config.Domain, zoneID *string, distribution cloudfrontdistribution.CloudfrontDistribution) {
	target := &route53record.Route53RecordAlias{
		Name:                 distribution.DomainName(),
		ZoneId:               distribution.HostedZoneId(),
		EvaluateTargetHealth: jsii.Bool(false),
	}
	for i, name := range domain.Names() {
		prefix := "alias_"
		if i > 0 {
			prefix = "alias_www_"
		}
		for _, record := range []struct{ id, kind string }{{"ipv4", "A"}, {"ipv6", "AAAA"}} {
			route53record.NewRoute53Record(scope, jsii.String(prefix+record.id), &route53record.Route53RecordConfig{
				ZoneId: zoneID,
				Name:   jsii.String(name),
				Type:   jsii.String(record.kind),
				Alias:  target,
			})
		}
	}
}
