package cost

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Resource is a managed resource of a stack or of a plan.
type Resource struct {
	Type    string
	Address string
	Values  map[string]any // arguments, which may be references, as in Terraform's JSON: "${aws_subnet.public_a.id}"
}

// maxNumber is more than AWS allows of anything here. A larger number is not one.
const maxNumber = 1e6

// number returns an argument that is a number between 0 and maxNumber.
func (r Resource) number(name string) (n float64, ok bool) { return number(r.Values[name]) }

func number(value any) (n float64, ok bool) {
	var err error
	switch value := value.(type) {
	case float64:
		n = value
	case json.Number:
		n, err = value.Float64()
	case string:
		n, err = strconv.ParseFloat(value, 64)
	default:
		return 0, false
	}
	return n, err == nil && !math.IsNaN(n) && n >= 0 && n <= maxNumber
}

// text returns an argument that is a string; empty if there is none.
func (r Resource) text(name string) string {
	text, _ := r.Values[name].(string)
	return text
}

// is reports whether an argument is true. CDKTF writes some as strings.
func (r Resource) is(name string) bool { return fmt.Sprint(r.Values[name]) == "true" }

// blocks returns the blocks of a name. Terraform's JSON has one block as an object or as a list.
func (r Resource) blocks(name string) []Resource {
	list, isList := r.Values[name].([]any)
	if !isList {
		list = []any{r.Values[name]}
	}
	var blocks []Resource
	for _, each := range list {
		if values, ok := each.(map[string]any); ok {
			blocks = append(blocks, Resource{Values: values})
		}
	}
	return blocks
}

// block returns the first block of a name; an empty one if there is none.
func (r Resource) block(name string) Resource {
	for _, block := range r.blocks(name) {
		return block
	}
	return Resource{}
}

// size returns the number of elements of a list.
func (r Resource) size(name string) float64 {
	list, _ := r.Values[name].([]any)
	return float64(len(list))
}

// isOf reports whether a value refers to this resource: by its address, or by its id or name as they are on AWS.
func (r Resource) isOf(value string) bool {
	if strings.Contains(value, r.Address+".") {
		return true
	}
	return value != "" && (value == r.text("id") || value == r.text("name"))
}

// FromStack reads the resources of a synthesized stack, and the region of its provider.
func FromStack(content []byte) (region string, resources []Resource, err error) {
	var stack struct {
		Provider struct {
			AWS []struct{ Alias, Region string } `json:"aws"`
		} `json:"provider"`
		Resource map[string]map[string]map[string]any `json:"resource"`
	}
	if err := json.Unmarshal(content, &stack); err != nil {
		return "", nil, err
	}
	for _, provider := range stack.Provider.AWS {
		if provider.Alias == "" {
			region = provider.Region
		}
	}
	if region == "" {
		return "", nil, errors.New("the AWS provider has no region")
	}
	for kind, instances := range stack.Resource {
		for id, values := range instances {
			resources = append(resources, Resource{kind, kind + "." + id, values})
		}
	}
	return region, sorted(resources), nil
}

func sorted(resources []Resource) []Resource {
	slices.SortFunc(resources, func(a, b Resource) int { return strings.Compare(a.Address, b.Address) })
	return resources
}

// FromPlan reads the resources of a plan, before and after it, and the region of its provider; empty if the plan does not have it. A
// resource that Terraform forgets stays, and costs as before.
func FromPlan(plan *tfjson.Plan) (region string, before, after []Resource) {
	references := map[string]map[string]*tfjson.Expression{}
	if plan.Config != nil {
		if provider := plan.Config.ProviderConfigs["aws"]; provider != nil {
			if expression := provider.Expressions["region"]; expression != nil && expression.ExpressionData != nil {
				region, _ = expression.ConstantValue.(string)
			}
		}
		if plan.Config.RootModule != nil {
			for _, resource := range plan.Config.RootModule.Resources {
				references[resource.Address] = resource.Expressions
			}
		}
	}
	for _, resource := range plan.ResourceChanges {
		change := resource.Change
		if change == nil || resource.Mode == tfjson.DataResourceMode {
			continue
		}
		old, _ := change.Before.(map[string]any)
		if old != nil {
			before = append(before, Resource{resource.Type, resource.Address, old})
		}
		if planned, ok := change.After.(map[string]any); ok {
			after = append(after, Resource{resource.Type, resource.Address, withReferences(planned, change.AfterUnknown, references[resource.Address])})
		} else if old != nil && slices.Contains(change.Actions, tfjson.ActionForget) {
			after = append(after, Resource{resource.Type, resource.Address, old})
		}
	}
	return region, sorted(before), sorted(after)
}

// withReferences returns values in which a list that is known after the apply has the references of its expression, one for each
// resource. So the list has its size.
func withReferences(values map[string]any, unknown any, expressions map[string]*tfjson.Expression) map[string]any {
	values = maps.Clone(values)
	names, _ := unknown.(map[string]any)
	for name, is := range names {
		expression := expressions[name]
		if is != true || expression == nil || expression.ExpressionData == nil {
			continue
		}
		var list []any
		for _, reference := range expression.References { // of an attribute, and then of its resource
			if strings.Count(reference, ".") == 1 {
				list = append(list, "${"+reference+".id}")
			}
		}
		values[name] = list
	}
	return values
}
