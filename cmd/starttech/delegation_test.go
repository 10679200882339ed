package main

import (
	"context"
	"errors"
	"net"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/config"
)

var zoneServers = []any{"ns-1.awsdns-01.org", "ns-2.awsdns-02.com"}

// answering is a lookup with an answer for example.com.
func answering(t *testing.T, err error, servers ...string) lookup {
	t.Helper()
	return func(_ context.Context, domain string) ([]*net.NS, error) {
		if domain != "example.com." {
			t.Errorf("%s is looked up", domain)
		}
		var answer []*net.NS
		for _, server := range servers {
			answer = append(answer, &net.NS{Host: server})
		}
		return answer, err
	}
}

func withZone() config.Environment {
	e := config.Default()
	e.Name, e.Domain = "production", &config.Domain{Name: "example.com", CreateZone: true}
	return e
}

func TestADeployIsRefusedUntilTheZoneIsDelegated(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "")
	request := &tfjson.Plan{
		ResourceChanges: []*tfjson.ResourceChange{{Type: "aws_acm_certificate_validation", Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionCreate}}}},
		PriorState: &tfjson.State{Values: &tfjson.StateValues{RootModule: &tfjson.StateModule{Resources: []*tfjson.StateResource{{
			Address: "data.aws_route53_zone.hosted_zone", AttributeValues: map[string]any{"name_servers": zoneServers},
		}}}}},
	}
	other := &tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{Type: "aws_acm_certificate_validation", Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionNoop}}}}, PriorState: request.PriorState}
	existing := withZone()
	existing.Domain = &config.Domain{Name: "example.com", HostedZoneID: "Z1"}
	refused := func(answer string) string {
		return "deploy production: nothing was changed: example.com is not delegated to its hosted zone, so no certificate would be issued: the internet finds " + answer +
			"; enter ns-1.awsdns-01.org, ns-2.awsdns-02.com at its registrar, or as an NS record in the zone of its parent domain, and deploy again when dig NS example.com lists them"
	}
	notFound := &net.DNSError{IsNotFound: true}
	for name, test := range map[string]struct {
		e    config.Environment
		plan *tfjson.Plan
		lookup
		want string
	}{
		"no name servers":            {withZone(), request, answering(t, notFound), refused("no name servers")},
		"the registrar's servers":    {withZone(), request, answering(t, nil, "dns.example.net."), refused("dns.example.net")},
		"the zone's servers":         {withZone(), request, answering(t, nil, "NS-1.awsdns-01.org."), ""},
		"no resolver":                {withZone(), request, answering(t, errors.New("connection refused")), ""},
		"a plan without certificate": {withZone(), other, answering(t, notFound), ""},
		"a zone that exists":         {existing, request, answering(t, notFound), ""},
	} {
		got := ""
		if err := checkDelegation(t.Context(), test.e, test.plan, test.lookup); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
	if err := checkDelegation(t.Context(), withZone(), request, answering(t, notFound)); err != nil {
		t.Errorf("on the local AWS: %v", err)
	}
}

func TestBootstrapNamesTheNameServersToDelegateTo(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "")
	outputs := map[string]*tfjson.StateOutput{"name_servers_production": {Value: zoneServers}}
	environments := []config.Environment{config.Default(), withZone()}
	want := "Before you deploy production: enter these name servers of example.com at its registrar, or as an NS record in the zone of its parent domain: ns-1.awsdns-01.org, ns-2.awsdns-02.com\n"
	for _, lookup := range []lookup{answering(t, &net.DNSError{IsNotFound: true}), answering(t, errors.New("no resolver")), answering(t, nil, "dns.example.net.")} {
		if got := delegations(t.Context(), environments, outputs, lookup); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := delegations(t.Context(), environments, outputs, answering(t, nil, "ns-2.awsdns-02.com.")); got != "" {
		t.Errorf("a delegated zone: %q", got)
	}
}
