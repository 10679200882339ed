package test

import (
	"strings"
	"testing"
)

func TestWithoutADomainThereIsNoCertificateAndNoRecord(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if s.name == "own-domain" {
			return
		}
		for address := range s.resources() {
			if strings.HasPrefix(address, "aws_acm_") || strings.HasPrefix(address, "aws_route53_") {
				t.Errorf("there is %s", address)
			}
		}
		_, site := s.only(t, "aws_cloudfront_distribution")
		site.want(t, nil, "aliases")
		site.want(t, true, "viewer_certificate", "cloudfront_default_certificate")
	})
}

func TestTheDomainsCertificateStandsWhereCloudFrontLooksForIt(t *testing.T) {
	s := variant(t, "own-domain")
	_, site := s.only(t, "aws_cloudfront_distribution")
	equal(t, "aliases", site.strings("aliases"), []string{"app.example.com"})

	issued := addressOf(site.text("viewer_certificate", "acm_certificate_arn"))
	s.resource(t, issued).want(t, "aws.us_east_1", "provider")
	certificate := s.resource(t, addressOf(s.resource(t, issued).text("certificate_arn")))
	certificate.want(t, "aws.us_east_1", "provider")
	certificate.want(t, "app.example.com", "domain_name")
	certificate.want(t, "DNS", "validation_method")
}

func TestTheProviderOfCloudFrontsCertificatesOutlivesTheDomain(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for _, p := range s.providers() {
			if p.text("alias") == "us_east_1" {
				p.want(t, "us-east-1", "region")
				return
			}
		}
		t.Error("no provider of us-east-1")
	})
}

func TestWithACertificateTLS12IsTheFloor(t *testing.T) {
	s := variant(t, "own-domain")
	_, site := s.only(t, "aws_cloudfront_distribution")
	site.want(t, "TLSv1.2_2021", "viewer_certificate", "minimum_protocol_version")
	site.want(t, "sni-only", "viewer_certificate", "ssl_support_method")
	s.resource(t, "aws_lb_listener.https").want(t, "ELBSecurityPolicy-TLS13-1-2-2021-06", "ssl_policy")
}

func TestWithACertificateTheLoadBalancerSpeaksHTTPSOnly(t *testing.T) {
	s := variant(t, "own-domain")
	https := s.resource(t, "aws_lb_listener.https")
	https.want(t, 443.0, "port")
	https.want(t, "HTTPS", "protocol")
	https.want(t, "forward", "default_action", 0, "type")
	https.want(t, ref("aws_lb_target_group.backend_targets", "arn"), "default_action", 0, "target_group_arn")
	issued := s.resource(t, addressOf(https.text("certificate_arn")))
	issued.want(t, nil, "provider") // the region of the load balancer

	http := s.resource(t, "aws_lb_listener.http")
	http.want(t, "redirect", "default_action", 0, "type")
	http.want(t, "HTTPS", "default_action", 0, "redirect", "protocol")
	http.want(t, "443", "default_action", 0, "redirect", "port")

	_, site := s.only(t, "aws_cloudfront_distribution")
	for i := range site.get("origin").([]any) {
		if site.text("origin", i, "origin_id") == "backend" {
			site.want(t, "https-only", "origin", i, "custom_origin_config", "origin_protocol_policy")
		}
	}
}

func TestNobodyWaitsForACertificateThatNoRecordProves(t *testing.T) {
	s := variant(t, "own-domain")
	s.resource(t, "aws_route53_record.certificate_validation_record").want(t, "Z0123456789ABCDEFGHIJ", "zone_id")
	for address, issued := range s.ofType("aws_acm_certificate_validation") {
		equal(t, address, issued.strings("depends_on"), []string{"aws_route53_record.certificate_validation_record"})
	}
	for address, certificate := range s.ofType("aws_acm_certificate") {
		if certificate.get("lifecycle", "create_before_destroy") != true {
			t.Errorf("%s would be deleted while it is in use", address)
		}
	}
}

func TestTheNameLeadsToTheSiteByIPv4AndIPv6(t *testing.T) {
	s := variant(t, "own-domain")
	var kinds []string
	for _, record := range s.ofType("aws_route53_record") {
		if record.get("alias") == nil {
			continue
		}
		kinds = append(kinds, record.text("type"))
		record.want(t, "app.example.com", "name")
		record.want(t, "Z0123456789ABCDEFGHIJ", "zone_id")
		record.want(t, ref("aws_cloudfront_distribution.frontend_distribution", "domain_name"), "alias", "name")
		record.want(t, ref("aws_cloudfront_distribution.frontend_distribution", "hosted_zone_id"), "alias", "zone_id")
	}
	equalSets(t, "records", kinds, []string{"A", "AAAA"})
	s.output(t, "site_url").want(t, "https://app.example.com", "value")
}
