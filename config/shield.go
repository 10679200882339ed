package config

// Shield is AWS Shield Advanced. Shield Standard protects every account, without a setting and without a price.
type Shield struct {
	// Subscription of the account. create: bootstrap subscribes. existing: the account is subscribed already, for example with its organization.
	// An organization pays for one subscription.
	//
	// https://docs.aws.amazon.com/waf/latest/developerguide/ddos-advanced-summary.html
	Subscription string `json:"subscription" jsonschema:"required,enum=create,enum=existing" change:"free: deploy bootstrap first, for the subscription and the roles. From create to existing, Terraform forgets the subscription, which stays."`
	// With subscription create, exactly: yes, 3000 USD a month for a year.
	//
	// The price, without traffic, and the commitment: https://aws.amazon.com/shield/pricing/.
	AcceptPriceAndCommitment string `json:"acceptPriceAndCommitment,omitempty" change:"free: bootstrap subscribes with it only"`
}

// shieldAcceptance is what a file says to accept the price of Shield Advanced.
const shieldAcceptance = "yes, 3000 USD a month for a year"

// CreatesSubscription reports whether bootstrap subscribes the account.
func (s *Shield) CreatesSubscription() bool { return s != nil && s.Subscription == "create" }

func (s Shield) check(at place, _ Environment) {
	if !s.CreatesSubscription() || s.AcceptPriceAndCommitment == shieldAcceptance {
		return
	}
	if accept := at.key("acceptPriceAndCommitment"); accept.isSet() {
		accept.problem("%q does not accept the price; allowed: %q", s.AcceptPriceAndCommitment, shieldAcceptance)
		return
	}
	at.key("subscription").problem(`"create" commits the account to 3,000 USD a month for a year; to accept that, set acceptPriceAndCommitment: %q`, shieldAcceptance)
}
