package report

import (
	"fmt"
	"slices"

	tfjson "github.com/hashicorp/terraform-json"
)

// rollingReplacements returns a list item for each Auto Scaling group whose instances a plan replaces. A change of these
// arguments starts an instance refresh
// (https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/autoscaling_group#triggers-1). The plan itself
// shows only a new version number.
func rollingReplacements(resources []*tfjson.ResourceChange) []string {
	var items []string
	for _, resource := range resources {
		if resource.Type != "aws_autoscaling_group" || !resource.Change.Actions.Update() {
			continue
		}
		for _, argument := range []string{"launch_template", "mixed_instances_policy"} {
			if slices.ContainsFunc(diffChange(resource.Change), func(d difference) bool { return d.attribute() == argument }) {
				items = append(items, fmt.Sprintf("> - %s: its instances are replaced one by one, because %s changes\n", code(resource.Address), code(argument)))
			}
		}
	}
	return items
}
