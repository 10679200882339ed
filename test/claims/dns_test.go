package claims

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
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

// onEveryDomain makes a claim on every environment with a domain.
func onEveryDomain(t *testing.T, claim func(t *testing.T, s stack, d config.Domain)) {
	t.Helper()
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if d := s.Environment().Domain; d != nil {
			claim(t, s, *d)
		}
	})
}

// zoneID is the ID of the hosted zone that the records are in.
func zoneID(d config.Domain) string {
	if d.CreateZone {
		return ref("data.aws_route53_zone.hosted_zone", "zone_id")
	}
	return d.HostedZoneID
}

func TestTheDistributionsCertificateIsOfTheDomainInUSEast1(t *testing.T) {
	onEveryDomain(t, func(t *testing.T, s stack, domain config.Domain) {
		d := s.Resource(t, distribution)
		equal(t, "aliases", d.Strings("aliases"), domain.Names())
		d.Want(t, "TLSv1.2_2021", "viewer_certificate", "minimum_protocol_version")
		d.Want(t, "sni-only", "viewer_certificate", "ssl_support_method")

		validation := s.Resource(t, addressOf(d.Text("viewer_certificate", "acm_certificate_arn")))
		validation.Want(t, "aws.us_east_1", "provider")
		certificate := s.Resource(t, addressOf(validation.Text("certificate_arn")))
		certificate.Want(t, "aws.us_east_1", "provider")
	})
}

func TestEveryCertificateIsOfTheDomainsNamesAndValidatedByTheirRecords(t *testing.T) {
	onEveryDomain(t, func(t *testing.T, s stack, d config.Domain) {
		records := []string{"aws_route53_record.certificate_validation_record"}
		if d.WWW {
			records = append(records, "aws_route53_record.certificate_validation_record_www")
		}
		for i, record := range records {
			r := s.Resource(t, record)
			r.Want(t, zoneID(d), "zone_id")
			for _, value := range []string{r.Text("name"), r.Text("type"), r.Text("records", 0)} {
				if !strings.HasPrefix(value, "${one([for o in aws_acm_certificate.cloudfront_certificate.domain_validation_options : o.resource_record_") ||
					!strings.HasSuffix(value, fmt.Sprintf(" if o.domain_name == %q])}", d.Names()[i])) {
					t.Errorf("%s: %s", record, value)
				}
			}
		}
		for address, validation := range s.OfType("aws_acm_certificate_validation") {
			equalSets(t, address, validation.Strings("depends_on"), records)
		}
		equal(t, "certificates", len(s.OfType("aws_acm_certificate")), 2)
		for _, certificate := range s.OfType("aws_acm_certificate") {
			certificate.Want(t, d.Name, "domain_name")
			equalSets(t, "other names", certificate.Strings("subject_alternative_names"), d.Names()[1:])
			certificate.Want(t, "DNS", "validation_method")
			certificate.Want(t, true, "lifecycle", "create_before_destroy") // AWS refuses to delete a certificate that is in use
			if d.CreateZone {
				certificate.Want(t, nil, "lifecycle", "precondition") // the zone has the domain's name and is public
				continue
			}
			certificate.Want(t, "${!data.aws_route53_zone.hosted_zone.private_zone}", "lifecycle", "precondition", 0, "condition")
			certificate.Want(t, `${endswith(".`+d.Name+`", ".${data.aws_route53_zone.hosted_zone.name}")}`, "lifecycle", "precondition", 1, "condition")
		}
	})
}

func TestTheNamesAreAliasesOfTheDistributionByIPv4AndIPv6(t *testing.T) {
	onEveryDomain(t, func(t *testing.T, s stack, d config.Domain) {
		var got, want []string
		for _, name := range d.Names() {
			want = append(want, name+" A", name+" AAAA")
		}
		for _, record := range s.OfType("aws_route53_record") {
			if record.Get("alias") == nil {
				continue
			}
			got = append(got, record.Text("name")+" "+record.Text("type"))
			record.Want(t, zoneID(d), "zone_id")
			record.Want(t, ref(distribution, "domain_name"), "alias", "name")
			record.Want(t, ref(distribution, "hosted_zone_id"), "alias", "zone_id")
		}
		equalSets(t, "records", got, want)
		s.Output(t, "site_url").Want(t, "https://"+d.Name, "value")
	})
}

// The operator delegates the zone before the certificates of the environment wait for it.
func TestTheZoneOfADomainIsInBootstrapAndSurvives(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		equal(t, "hosted zones", len(s.OfType("aws_route53_zone")), 0)
	})
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		var want []string
		for _, e := range s.Environments() {
			if e.Domain == nil || !e.Domain.CreateZone {
				continue
			}
			want = append(want, "aws_route53_zone.zone_"+config.IDSafe(e.Name))
			zone := s.Resource(t, want[len(want)-1])
			zone.Want(t, e.Domain.Name, "name")
			zone.Want(t, nil, "vpc") // public
			zone.Want(t, nil, "force_destroy")
			zone.Want(t, e.DeletionProtection, "lifecycle", "prevent_destroy")
		}
		equalSets(t, "hosted zones", slices.Collect(maps.Keys(s.OfType("aws_route53_zone"))), want)
	})
}

// https://docs.aws.amazon.com/acm/latest/userguide/setup-caa.html
func TestOnlyAmazonsAuthoritiesIssueCertificatesIfTheFileAsks(t *testing.T) {
	onEveryDomain(t, func(t *testing.T, s stack, d config.Domain) {
		var values []string
		for _, record := range s.OfType("aws_route53_record") {
			if record.Text("type") == "CAA" {
				record.Want(t, d.Name, "name")
				record.Want(t, zoneID(d), "zone_id")
				record.Want(t, nil, "allow_overwrite") // another CAA record is not this project's
				values = append(values, record.Strings("records")...)
			}
		}
		var want []string
		if d.CAA {
			want = []string{`0 issuewild ";"`, `0 issue "amazon.com"`, `0 issue "amazontrust.com"`, `0 issue "awstrust.com"`, `0 issue "amazonaws.com"`}
		}
		equalSets(t, "values", values, want)
	})
}
