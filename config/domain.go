package config

import "strings"

// Domain is a name in a public Route 53 zone of the same account. The zone exists, or the bootstrap stack creates it.
type Domain struct {
	// Name of the site, app.example.com. Without a domain, CloudFront talks HTTP to the load balancer, which everybody can reach past
	// CloudFront unless network.privateOrigin is true.
	//
	// Letters, digits and hyphens (https://datatracker.ietf.org/doc/html/rfc1035#section-2.3.1), in lower case, in which Route 53 stores a name
	// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html). The maximum length is ACM's: the first name of a
	// certificate has at most 64 characters (https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html).
	Name string `json:"name" jsonschema:"required,pattern=^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+([a-z]{2\\,}|xn--[a-z0-9-]*[a-z0-9])$,maxLength=64" change:"interrupts: the old name has no records and no certificate any more; the new one answers when CloudFront has its certificate, minutes later. The instances are replaced as well. An administrator deploys bootstrap, then the environment, by hand. With createZone, remove the domain first: AWS does not delete a zone with records."`
	// Id of the public Route 53 zone that contains the name. Instead of createZone.
	//
	// It has at most 32 characters (https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHostedZone.html). Those of AWS's examples are a
	// Z with upper-case letters and digits.
	HostedZoneID string `json:"hostedZoneId,omitempty" jsonschema:"pattern=^Z[A-Z0-9]{1\\,31}$" change:"interrupts: the records are created again, so the name does not resolve for up to a minute. An administrator deploys bootstrap, then the environment, by hand."`
	// Whether bootstrap creates a public Route 53 zone of this name. Its name servers are an output of bootstrap: enter them at the registrar,
	// or in the zone of the parent domain, before you deploy the environment.
	CreateZone bool `json:"createZone" change:"interrupts: the name does not resolve until its new zone is delegated and the records are there. An administrator deploys bootstrap, delegates the name, and deploys the environment, by hand."`
	// Whether www.NAME is a name of the site as well. Its pages redirect to the site's; the API answers at both.
	WWW bool `json:"www" change:"interrupts: without it, the www name does not resolve. With it, nothing is interrupted; the certificates are replaced. Deploy bootstrap first, for the roles."`
	// Whether only Amazon's certificate authorities may issue certificates of the name, and of the names below it that have no CAA record of
	// their own. A CAA record that exists already makes the deploy fail, and stays as it is.
	//
	// AWS's rule: https://docs.aws.amazon.com/acm/latest/userguide/setup-caa.html.
	CAA bool `json:"caa" change:"free: deploy bootstrap first, for the roles"`
}

// Names are the names of the site: the domain, and with www: true the www name.
func (d Domain) Names() []string {
	if d.WWW {
		return []string{d.Name, "www." + d.Name}
	}
	return []string{d.Name}
}

// maxLabel is the longest part of a domain name (https://datatracker.ietf.org/doc/html/rfc1035#section-2.3.4).
const maxLabel = 63

func (d Domain) check(at place, _ Environment) {
	if (d.HostedZoneID == "") != d.CreateZone {
		at.problem("needs either hostedZoneId, the ID of a zone that exists, or createZone: true")
	}
	if d.WWW && strings.HasPrefix(d.Name, "www.") {
		at.key("www").problem("%q is a www name already; allowed: false, or name: %s", d.Name, strings.TrimPrefix(d.Name, "www."))
	}
	for label := range strings.SplitSeq(d.Name, ".") {
		if len(label) > maxLabel {
			at.key("name").problem("%q has a part of %d characters; the maximum is %d", d.Name, len(label), maxLabel)
		}
	}
}
