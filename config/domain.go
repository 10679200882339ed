package config

import "strings"

// Domain is a name in a public Route 53 zone of the same account.
type Domain struct {
	// Name of the site, app.example.com. Without a domain, CloudFront talks HTTP to the load balancer, which everybody can reach past
	// CloudFront.
	//
	// Letters, digits and hyphens (https://datatracker.ietf.org/doc/html/rfc1035#section-2.3.1), in lower case, in which Route 53 stores a name
	// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html). The maximum length is ACM's: the first name of a
	// certificate has at most 64 characters (https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html).
	Name string `json:"name" jsonschema:"required,pattern=^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+([a-z]{2\\,}|xn--[a-z0-9-]*[a-z0-9])$,maxLength=64" change:"interrupts: the old name has no records and no certificate any more; the new one answers when CloudFront has its certificate, minutes later. The instances are replaced as well. An administrator deploys bootstrap, then the environment, by hand."`
	// Id of the public Route 53 zone that contains the name.
	//
	// It has at most 32 characters (https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHostedZone.html). Those of AWS's examples are a
	// Z with upper-case letters and digits.
	HostedZoneID string `json:"hostedZoneId" jsonschema:"required,pattern=^Z[A-Z0-9]{1\\,31}$" change:"interrupts: the records are created again, so the name does not resolve for up to a minute. An administrator deploys bootstrap, then the environment, by hand."`
}

// maxLabel is the longest part of a domain name (https://datatracker.ietf.org/doc/html/rfc1035#section-2.3.4).
const maxLabel = 63

func (d Domain) check(at place, _ Environment) {
	for label := range strings.SplitSeq(d.Name, ".") {
		if len(label) > maxLabel {
			at.key("name").problem("%q has a part of %d characters; the maximum is %d", d.Name, len(label), maxLabel)
		}
	}
}
