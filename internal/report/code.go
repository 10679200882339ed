package report

import (
	"fmt"
	"slices"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

// codeArguments has the argument with code, by type of resource, and where that code runs.
var codeArguments = map[string]struct{ name, where string }{
	"aws_cloudfront_function": {"code", "runs on each request to the site"},
	"aws_launch_template":     {"user_data", "runs as root when an instance boots"},
}

// codeTitle returns the title of codeChanges. format is applied to the path of the file with the whole code.
func codeTitle(stack string, format func(string) string) string {
	return fmt.Sprintf("This plan changes code that runs on AWS. The differences below show at most %d lines of each. All of it is in %s, "+
		"after a synthesis and in the run's artifact:", textLength, format("cdktf.out/stacks/"+stack+"/cdk.tf.json"))
}

// codeChanges returns a list item for each resource whose code a plan changes. A plan that only creates resources has none, because
// all of its code is new.
func codeChanges(resources []*tfjson.ResourceChange, known *secrets.Set) []string {
	if !slices.ContainsFunc(resources, func(resource *tfjson.ResourceChange) bool { return !resource.Change.Actions.Create() }) {
		return nil
	}
	var items []string
	for _, resource := range resources {
		argument, ok := codeArguments[resource.Type]
		actions := resource.Change.Actions
		if !ok || !actions.Create() && !actions.Update() && !replaces(actions) {
			continue
		}
		before, after := beforeAfter(resource.Change, known)
		if what := describeCodeChange(member(before, argument.name), member(after, argument.name)); what != "" {
			items = append(items, fmt.Sprintf("> - %s of %s, which %s, %s\n", code(argument.name), code(known.Mask(resource.Address)), argument.where, what))
		}
	}
	return items
}

// describeCodeChange returns how code changes; empty if it does not.
func describeCodeChange(before, after any) string {
	found := compare("", before, after)
	_, isSensitive := after.(sensitive)
	switch {
	case len(found) == 0:
		return ""
	case isSensitive:
		return "changes and is sensitive, so it is not shown"
	case after == unknown{}:
		return "may change: it is known after the apply"
	case isEmpty(before):
		lines, isText := after.(multiline)
		if !isText {
			return "is new"
		}
		return fmt.Sprintf("is new: %s", quantity(len(lines), "line"))
	case isEmpty(after):
		return "is removed"
	}
	oldLines, newLines, areTexts := texts(before, after)
	if !areTexts {
		return "changes"
	}
	removed, added := diffLists(oldLines, newLines)
	return fmt.Sprintf("changes: %s removed, %d added", quantity(len(removed), "line"), len(added))
}

// member returns a member of an object; nil if there is none.
func member(value any, name string) any {
	object, _ := value.(map[string]any)
	return object[name]
}
