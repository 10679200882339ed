package report

import (
	"fmt"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// stateful is the types of resources that hold data, or an address that others know, and what goes with them when
// they are destroyed. A new one under the same name does not have it.
var stateful = map[string]string{
	"aws_cloudfront_distribution":       "its name under cloudfront.net is never given again, and whoever uses that name no longer reaches the site",
	"aws_cloudwatch_log_group":          "its log lines are lost",
	"aws_dynamodb_table":                "its items are lost; in the lock table, who holds which state",
	"aws_ecr_repository":                "its images are lost, and with them every release that one could go back to",
	"aws_eip":                           "its public address is given up; MongoDB Atlas lets the backend in by that address",
	"aws_elasticache_replication_group": "what Redis holds is lost, sessions and cached data",
	"aws_iam_openid_connect_provider":   "GitHub Actions no longer signs in to this account",
	"aws_kms_key":                       "what it has encrypted can no longer be read",
	"aws_lb":                            "its DNS name is given up, and whoever calls it by that name no longer reaches the backend",
	"aws_route53_record":                "its name stops resolving, for as long as resolvers remember that",
	"aws_s3_bucket":                     "its objects and all their versions are lost",
	"aws_sns_topic":                     "its subscriptions end, and each receiver of e-mail has to confirm a new one",
	"aws_sns_topic_subscription":        "its receiver has to confirm a new one, and hears of no alarm before",
	"aws_ssm_parameter":                 "its value and the history of it are lost",
}

// warnings are the stateful resources that a plan destroys or replaces, one item of a list each.
func warnings(resources []*tfjson.ResourceChange) []string {
	var items []string
	for _, resource := range resources {
		loss, known := stateful[resource.Type]
		if !known || !slices.Contains(resource.Change.Actions, tfjson.ActionDelete) {
			continue
		}
		what := "destroyed"
		if slices.Contains(resource.Change.Actions, tfjson.ActionCreate) {
			what = "replaced"
		}
		if resource.DeposedKey != "" { // left over from a replacement that was cut short
			what = "destroyed (object " + code(resource.DeposedKey) + ", replaced before)"
		}
		items = append(items, fmt.Sprintf("> - %s is **%s**%s: %s\n", code(resource.Address), what, because(resource, code), loss))
	}
	return items
}

// because is why a resource is replaced, ", because of name"; empty where Terraform does not say.
func because(resource *tfjson.ResourceChange, argument func(string) string) string {
	if paths := forcing(resource.Change); len(paths) > 0 {
		for i, path := range paths {
			paths[i] = argument(cut(path, 100))
		}
		return ", because of " + strings.Join(paths, ", ")
	}
	switch resource.ActionReason {
	case tfjson.ActionReasonReplaceBecauseTainted:
		return ", because it is tainted"
	case tfjson.ActionReasonReplaceByRequest:
		return ", because that was asked for"
	case tfjson.ActionReasonReplaceByTriggers:
		return ", because of its replace_triggered_by"
	}
	return ""
}

// forcing is the arguments that make Terraform replace a resource instead of changing it, in order.
func forcing(change *tfjson.Change) []string {
	var found []string
	for _, path := range change.ReplacePaths {
		steps, _ := path.([]any)
		text := ""
		for _, step := range steps {
			text = join(text, step)
		}
		if text != "" {
			found = append(found, text)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
