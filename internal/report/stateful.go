package report

import (
	"fmt"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

// stateful has the types of resources that hold data or an address that others use, and what is lost when one of them is
// destroyed. A new resource of the same name does not restore it.
var stateful = map[string]string{
	"aws_cloudfront_distribution":       "its cloudfront.net domain name cannot be recovered; clients that use it no longer reach the site",
	"aws_cloudwatch_log_group":          "its log events are lost",
	"aws_dynamodb_table":                "its items are lost; in the lock table these are the state locks",
	"aws_ecr_repository":                "its images are lost, including every release available for a rollback",
	"aws_eip":                           "its public IP is released; MongoDB Atlas allows the backend by that IP",
	"aws_elasticache_replication_group": "the sessions and cached data in Redis are lost",
	"aws_iam_openid_connect_provider":   "GitHub Actions can no longer authenticate to this account",
	"aws_kms_key":                       "data encrypted with it can no longer be decrypted",
	"aws_lb":                            "its DNS name is released; clients that use it no longer reach the backend",
	"aws_route53_record":                "its name stops resolving, for as long as resolvers cache the negative answer",
	"aws_route53_zone":                  "its name servers cannot be recovered; the domain has to be delegated to those of a new one",
	"aws_s3_bucket":                     "all versions of its objects are lost",
	"aws_sns_topic":                     "its subscriptions are lost; each e-mail subscriber has to confirm a new one",
	"aws_sns_topic_subscription":        "its subscriber has to confirm a new one and receives no alarms until then",
	"aws_ssm_parameter":                 "its value and history are lost",
}

// warnings returns a list item for each stateful resource that a plan destroys or replaces.
func warnings(resources []*tfjson.ResourceChange, known *secrets.Set) []string {
	var items []string
	for _, resource := range resources {
		loss, ok := stateful[resource.Type]
		if !ok || !slices.Contains(resource.Change.Actions, tfjson.ActionDelete) {
			continue
		}
		action := "destroyed"
		if slices.Contains(resource.Change.Actions, tfjson.ActionCreate) {
			action = "replaced"
		}
		if resource.DeposedKey != "" { // left over from an interrupted replacement
			action = "destroyed (deposed object " + code(resource.DeposedKey) + ")"
		}
		items = append(items, fmt.Sprintf("> - %s is **%s**%s: %s\n", code(known.Mask(resource.Address)), action, replaceReason(resource, known, code), loss))
	}
	return items
}

// replaceReason returns the reason for a replacement, " because of name"; empty if the plan has none. format is applied to
// the path of each argument.
func replaceReason(resource *tfjson.ResourceChange, known *secrets.Set, format func(string) string) string {
	if paths := replacePathsOf(resource.Change); len(paths) > 0 {
		for i, path := range paths {
			paths[i] = format(truncate(known.Mask(path), 100))
		}
		return " because of " + strings.Join(paths, ", ")
	}
	switch resource.ActionReason {
	case tfjson.ActionReasonReplaceBecauseTainted:
		return " because it is tainted"
	case tfjson.ActionReasonReplaceByRequest:
		return " because of the -replace option"
	case tfjson.ActionReasonReplaceByTriggers:
		return " because of replace_triggered_by"
	}
	return ""
}

// replacePathsOf returns the sorted paths of the arguments that force the replacement of a resource.
func replacePathsOf(change *tfjson.Change) []string {
	var found []string
	for _, path := range change.ReplacePaths {
		steps, _ := path.([]any)
		text := ""
		for _, step := range steps {
			text = joinPath(text, step)
		}
		if text != "" {
			found = append(found, text)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
