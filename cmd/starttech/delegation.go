package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
)

// lookup looks up the name servers of a domain, as net.Resolver.LookupNS does.
type lookup func(ctx context.Context, domain string) ([]*net.NS, error)

// lookupTimeout is longer than a resolver's own attempts, three of five seconds (https://man7.org/linux/man-pages/man5/resolv.conf.5.html).
const lookupTimeout = 20 * time.Second

// isDelegated reports whether the internet finds the name servers of a hosted zone at its domain. found are the name servers that it finds. The
// error says why that is not known.
func (l lookup) isDelegated(ctx context.Context, domain string, zone []string) (is bool, found []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	servers, err := l(ctx, domain+".") // no search domains
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		return false, nil, nil
	} else if err != nil {
		return false, nil, err
	}
	for _, server := range servers {
		found = append(found, strings.ToLower(strings.TrimSuffix(server.Host, ".")))
	}
	return slices.ContainsFunc(found, func(server string) bool { return slices.Contains(zone, server) }), found, nil
}

// checkDelegation refuses a plan that requests a certificate for a domain whose zone bootstrap has created, if the internet does not find the zone.
// Terraform would wait for the certificate, 75 minutes by default
// (https://registry.terraform.io/providers/hashicorp/aws/5.100.0/docs/resources/acm_certificate_validation#timeouts). Nothing is refused on another
// endpoint than AWS's, or if the resolver does not answer.
func checkDelegation(ctx context.Context, e config.Environment, plan *tfjson.Plan, l lookup) error {
	requests := slices.ContainsFunc(plan.ResourceChanges, func(resource *tfjson.ResourceChange) bool {
		return resource.Type == "aws_acm_certificate_validation" && slices.Contains(resource.Change.Actions, tfjson.ActionCreate)
	})
	if !requests || e.Domain == nil || !e.Domain.CreateZone || os.Getenv("AWS_ENDPOINT_URL") != "" {
		return nil
	}
	zone := nameServersOfZone(plan)
	is, found, err := l.isDelegated(ctx, e.Domain.Name, zone)
	if is || err != nil || len(zone) == 0 {
		return nil
	}
	answer := "no name servers"
	if len(found) > 0 {
		answer = strings.Join(found, ", ")
	}
	return fmt.Errorf("deploy %s: nothing was changed: %s is not delegated to its hosted zone, so no certificate would be issued: the internet finds %s; enter %s at its registrar, or as an NS record in the zone of its parent domain, and deploy again when dig NS %[2]s lists them",
		e.Name, e.Domain.Name, answer, strings.Join(zone, ", "))
}

// nameServersOfZone returns the name servers of the hosted zone that a plan has looked up.
func nameServersOfZone(plan *tfjson.Plan) []string {
	if plan.PriorState == nil || plan.PriorState.Values == nil || plan.PriorState.Values.RootModule == nil {
		return nil
	}
	for _, resource := range plan.PriorState.Values.RootModule.Resources {
		if resource.Address == "data.aws_route53_zone.hosted_zone" {
			return texts(resource.AttributeValues["name_servers"])
		}
	}
	return nil
}

// texts returns the strings of a list.
func texts(value any) []string {
	var all []string
	list, _ := value.([]any)
	for _, each := range list {
		if text, ok := each.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// delegations says what to do with the hosted zones of a bootstrap stack that has been deployed.
func (p *project) delegations(ctx context.Context, stack *terraform.Stack) (string, error) {
	environments, err := config.Load("environments")
	if err != nil {
		return "", err
	}
	outputs, err := stack.StateOutputs(ctx)
	return delegations(ctx, environments, outputs, net.DefaultResolver.LookupNS), err
}

// delegations says what to do with the hosted zones of a bootstrap stack, by its outputs: a line for each zone that the internet does not find.
func delegations(ctx context.Context, environments []config.Environment, outputs map[string]*tfjson.StateOutput, l lookup) string {
	text := ""
	for _, e := range environments {
		output := outputs[config.NameServersOutput(e.Name)]
		if e.Domain == nil || !e.Domain.CreateZone || output == nil || os.Getenv("AWS_ENDPOINT_URL") != "" {
			continue
		}
		zone := texts(output.Value)
		if is, _, _ := l.isDelegated(ctx, e.Domain.Name, zone); !is {
			text += fmt.Sprintf("Before you deploy %s: enter these name servers of %s at its registrar, or as an NS record in the zone of its parent domain: %s\n",
				e.Name, e.Domain.Name, strings.Join(zone, ", "))
		}
	}
	return text
}
