package claims

import (
	"testing"
)

// Nothing that this project does ends or renews a subscription.
func TestASubscriptionIsCreatedByTheAcceptedFileOnly(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		var created, forgotten bool
		for _, e := range s.Environments() {
			created = created || e.Shield.CreatesSubscription()
			forgotten = forgotten || e.Shield != nil && e.Shield.Subscription == "existing"
			if e.Shield.CreatesSubscription() {
				equal(t, "what the file accepts", e.Shield.AcceptPriceAndCommitment, "yes, 3000 USD a month for a year")
			}
		}
		subscription, ok := s.Resources()["aws_shield_subscription.shield"]
		equal(t, "the stack subscribes", ok, created)
		if created {
			subscription.Want(t, true, "skip_destroy")
			subscription.Want(t, nil, "auto_renew")
			equal(t, "what a person decides", subscription.Strings("lifecycle", "ignore_changes"), []string{"auto_renew"})
		}
		isForgotten := false
		removed, _ := s.Body["removed"].([]any)
		for _, item := range removed {
			block := resource(item.(map[string]any))
			if block.Text("from") == "aws_shield_subscription.shield" {
				isForgotten = true
				block.Want(t, false, "lifecycle", "destroy")
			}
		}
		equal(t, "Terraform forgets a subscription", isForgotten, forgotten)
	})
}

func TestShieldProtectsWhatTheInternetReaches(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		want := map[string]string{}
		if e := s.Environment(); e.Shield != nil {
			want["distribution"] = ref("aws_cloudfront_distribution.frontend_distribution", "arn")
			if !e.Network.PrivateOrigin {
				want["load_balancer"] = ref("aws_lb.load_balancer", "arn")
			}
			for address := range s.OfType("aws_eip") {
				letter := address[len("aws_eip.nat_eip_"):]
				want["nat_"+letter] = "arn:aws:ec2:" + e.Region + ":" + e.Account + ":eip-allocation/" + ref(address, "allocation_id")
			}
		}
		got := map[string]string{}
		for address, protection := range s.OfType("aws_shield_protection") {
			got[address[len("aws_shield_protection."):len(address)-len("_protection")]] = protection.Text("resource_arn")
		}
		equal(t, "protections", got, want)
	})
}
