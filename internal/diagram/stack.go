package diagram

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// stack is a synthesized stack.
type stack struct {
	resources []resource // in the order of their addresses
	body      map[string]any
}

// resource is a resource in Terraform's JSON.
type resource struct {
	address, kind string
	properties    map[string]any
}

func read(content []byte) (stack, error) {
	s := stack{}
	if content == nil {
		return s, nil
	}
	if err := json.Unmarshal(content, &s.body); err != nil {
		return s, err
	}
	kinds, _ := s.body["resource"].(map[string]any)
	for kind, instances := range kinds {
		all, ok := instances.(map[string]any)
		if !ok {
			return s, fmt.Errorf("resources of the type %s: %T is not an object", kind, instances)
		}
		for id, properties := range all {
			p, ok := properties.(map[string]any)
			if !ok {
				return s, fmt.Errorf("%s.%s: %T is not an object", kind, id, properties)
			}
			s.resources = append(s.resources, resource{kind + "." + id, kind, p})
		}
	}
	slices.SortFunc(s.resources, func(a, b resource) int { return cmp.Compare(a.address, b.address) })
	return s, nil
}

// provider is the default provider of the stack.
func (s stack) provider() map[string]any {
	for _, each := range list(at(s.body, "provider", "aws")) {
		if p, _ := each.(map[string]any); p != nil && p["alias"] == nil {
			return p
		}
	}
	return nil
}

// environment is the name of the environment.
func (s stack) environment() string {
	name, _ := at(s.provider(), "default_tags", 0, "tags", "environment").(string)
	return name
}

func (s stack) ofType(kind string) []resource {
	var found []resource
	for _, r := range s.resources {
		if r.kind == kind {
			found = append(found, r)
		}
	}
	return found
}

// refersTo reports whether an attribute of a resource, or anything of it if there is no path, refers to an address.
func (r resource) refersTo(address string, path ...any) bool {
	return slices.Contains(refs(at(r.properties, path...)), address)
}

// reference matches the addresses in an expression: "aws_lb.load_balancer" of "${aws_lb.load_balancer.arn}".
var reference = regexp.MustCompile(`\b(aws_\w+\.\w+)\.`)

// refs is the addresses that a value refers to.
func refs(value any) []string {
	var found []string
	switch v := value.(type) {
	case string:
		for _, match := range reference.FindAllStringSubmatch(v, -1) {
			found = append(found, match[1])
		}
	case []any:
		for _, each := range v {
			found = append(found, refs(each)...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			found = append(found, refs(v[key])...)
		}
	}
	return found
}

// at follows keys and indices; nil if there is nothing. A block that Terraform allows once may be an object or a list of one.
func at(value any, path ...any) any {
	for _, part := range path {
		switch v := value.(type) {
		case map[string]any:
			if key, ok := part.(string); ok {
				value = v[key]
			} else if part != 0 {
				return nil
			}
		case []any:
			i, ok := part.(int)
			if !ok || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func list(value any) []any {
	all, _ := value.([]any)
	return all
}

// text is an attribute as text; empty if there is none.
func (r resource) text(path ...any) string {
	switch v := at(r.properties, path...).(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return fmt.Sprintf("%g", v)
	default:
		return fmt.Sprint(v)
	}
}

// tier is the group of a subnet: public if its route table has a route to an internet gateway.
func (s stack) tier(subnet string) string {
	for _, association := range s.ofType("aws_route_table_association") {
		if !association.refersTo(subnet, "subnet_id") {
			continue
		}
		for _, route := range s.ofType("aws_route") {
			if sameTable(route, association) && strings.Contains(route.text("gateway_id"), "aws_internet_gateway.") {
				return publicGroup
			}
		}
	}
	return privateGroup
}

func sameTable(a, b resource) bool { return a.text("route_table_id") == b.text("route_table_id") }

// subnets are the subnets that a resource refers to, also by a subnet group.
func (s stack) subnets(r resource) []string {
	var found []string
	for _, address := range refs(r.properties) {
		switch kind, _, _ := strings.Cut(address, "."); kind {
		case "aws_subnet":
			found = append(found, address)
		case "aws_elasticache_subnet_group":
			for _, group := range s.ofType(kind) {
				if group.address == address {
					found = append(found, s.subnets(group)...)
				}
			}
		}
	}
	return found
}

// groupOf is the group of a resource in the network.
func (s stack) groupOf(r resource) string {
	if subnets := s.subnets(r); len(subnets) > 0 {
		return s.tier(subnets[0])
	}
	return vpcGroup
}
