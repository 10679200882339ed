package claims

import (
	"strings"
	"testing"
)

func TestWithoutADomainThereIsNoCertificateAndNoRecord(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if s.Environment().Domain != nil {
			return
		}
		for address := range s.Resources() {
			if strings.HasPrefix(address, "aws_acm_") || strings.HasPrefix(address, "aws_route53_") {
				t.Errorf("there is %s", address)
			}
		}
		s.Resource(t, distribution).Want(t, nil, "aliases")
		s.Resource(t, distribution).Want(t, true, "viewer_certificate", "cloudfront_default_certificate")
	})
}

// The provider outlives the domain, because Terraform destroys the domain's certificate with it.
func TestEveryEnvironmentHasAProviderOfUSEast1(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for _, p := range s.Providers() {
			if p.Text("alias") == "us_east_1" {
				p.Want(t, "us-east-1", "region")
				return
			}
		}
		t.Error("there is no provider of us-east-1")
	})
}

func TestTheDistributionsCertificateIsOfTheDomainInUSEast1(t *testing.T) {
	s := variant(t, "own-domain")
	d := s.Resource(t, distribution)
	equal(t, "aliases", d.Strings("aliases"), []string{"app.example.com"})
	d.Want(t, "TLSv1.2_2021", "viewer_certificate", "minimum_protocol_version")
	d.Want(t, "sni-only", "viewer_certificate", "ssl_support_method")

	validation := s.Resource(t, addressOf(d.Text("viewer_certificate", "acm_certificate_arn")))
	validation.Want(t, "aws.us_east_1", "provider")
	certificate := s.Resource(t, addressOf(validation.Text("certificate_arn")))
	certificate.Want(t, "aws.us_east_1", "provider")
	certificate.Want(t, "app.example.com", "domain_name")
	certificate.Want(t, "DNS", "validation_method")
}

func TestEveryCertificateIsValidatedByTheRecord(t *testing.T) {
	s := variant(t, "own-domain")
	const record = "aws_route53_record.certificate_validation_record"
	s.Resource(t, record).Want(t, "Z0123456789ABCDEFGHIJ", "zone_id")
	for address, validation := range s.OfType("aws_acm_certificate_validation") {
		equal(t, address, validation.Strings("depends_on"), []string{record})
	}
	for _, certificate := range s.OfType("aws_acm_certificate") {
		certificate.Want(t, "${!data.aws_route53_zone.hosted_zone.private_zone}", "lifecycle", "precondition", 0, "condition")
		certificate.Want(t, `${endswith(".app.example.com", ".${data.aws_route53_zone.hosted_zone.name}")}`, "lifecycle", "precondition", 1, "condition")
		certificate.Want(t, true, "lifecycle", "create_before_destroy") // AWS refuses to delete a certificate that is in use
	}
}

func TestTheDomainIsAnAliasOfTheDistributionByIPv4AndIPv6(t *testing.T) {
	s := variant(t, "own-domain")
	var kinds []string
	for _, record := range s.OfType("aws_route53_record") {
		if record.Get("alias") == nil {
			continue
		}
		kinds = append(kinds, record.Text("type"))
		record.Want(t, "app.example.com", "name")
		record.Want(t, "Z0123456789ABCDEFGHIJ", "zone_id")
		record.Want(t, ref(distribution, "domain_name"), "alias", "name")
		record.Want(t, ref(distribution, "hosted_zone_id"), "alias", "zone_id")
	}
	equalSets(t, "records", kinds, []string{"A", "AAAA"})
	s.Output(t, "site_url").Want(t, "https://app.example.com", "value")
}
