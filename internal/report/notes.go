package report

import (
	"fmt"
	"slices"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

// notes returns a list item for each change that is not what its line of the differences suggests.
func notes(resources []*tfjson.ResourceChange, known *secrets.Set) []string {
	return append(rollingReplacements(resources, known), forgottenResources(resources, known)...)
}

// forgottenResources returns a list item for each resource that a plan removes from the state without destroying it: a removed
// block with destroy = false (https://developer.hashicorp.com/terraform/language/block/removed).
func forgottenResources(resources []*tfjson.ResourceChange, known *secrets.Set) []string {
	var items []string
	for _, resource := range resources {
		if !slices.Contains(resource.Change.Actions, tfjson.ActionForget) {
			continue
		}
		object := ""
		if !resource.Change.Actions.Forget() {
			object = "the old "
		}
		items = append(items, fmt.Sprintf("> - %s%s is **forgotten**: Terraform no longer manages it, and does not destroy it; it stays on AWS, with its costs, until somebody deletes it there\n",
			object, code(known.Mask(resource.Address))))
	}
	return items
}

// rollingReplacements returns a list item for each Auto Scaling group whose instances a plan replaces. A change of these
// arguments starts an instance refresh
// (https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/autoscaling_group#triggers-1). The plan itself
// shows only a new version number.
func rollingReplacements(resources []*tfjson.ResourceChange, known *secrets.Set) []string {
	var items []string
	for _, resource := range resources {
		if resource.Type != "aws_autoscaling_group" || !resource.Change.Actions.Update() {
			continue
		}
		for _, argument := range []string{"launch_template", "mixed_instances_policy"} {
			if slices.ContainsFunc(diffChange(resource.Change, known), func(d difference) bool { return d.attribute() == argument }) {
				items = append(items, fmt.Sprintf("> - %s: its instances are replaced one by one, because %s changes\n", code(known.Mask(resource.Address)), code(argument)))
			}
		}
	}
	return items
}

// ReplacesInstances reports whether a plan starts an instance refresh.
func ReplacesInstances(plan *tfjson.Plan) bool {
	return len(rollingReplacements(plan.ResourceChanges, nil)) > 0
}
