package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// production is the shipped production stack, staging the shipped staging stack.
func production(t *testing.T) stack { return shipped.stack(t, "production") }
func staging(t *testing.T) stack    { return shipped.stack(t, "staging") }

// variant is a stack of testdata/environments.
func variant(t *testing.T, name string) stack { return variants.stack(t, name) }

func (o output) stack(t *testing.T, name string) stack {
	t.Helper()
	s, ok := o.stacks[name]
	if !ok {
		t.Fatalf("no stack %q; there are %v", name, slices.Sorted(maps.Keys(o.stacks)))
	}
	return s
}

// resource is the properties of a resource or data source in a stack, as Terraform's JSON has them.
type resource map[string]any

// resource finds by address: "aws_vpc.network", "data.aws_ssm_parameter.amazon_linux".
func (s stack) resource(t *testing.T, address string) resource {
	t.Helper()
	r, ok := s.resources()[address]
	if !ok {
		t.Fatalf("%s has no %s", s.name, address)
	}
	return r
}

// has tells whether there is a resource at an address.
func (s stack) has(address string) bool {
	_, ok := s.resources()[address]
	return ok
}

// resources is everything by address.
func (s stack) resources() map[string]resource {
	all := map[string]resource{}
	for section, prefix := range map[string]string{"resource": "", "data": "data."} {
		types, _ := s.body[section].(map[string]any)
		for kind, instances := range types {
			for id, properties := range instances.(map[string]any) {
				all[prefix+kind+"."+id] = properties.(map[string]any)
			}
		}
	}
	return all
}

// ofType is the resources of one type, by address.
func (s stack) ofType(kind string) map[string]resource {
	found := map[string]resource{}
	for address, r := range s.resources() {
		if strings.HasPrefix(address, kind+".") {
			found[address] = r
		}
	}
	return found
}

// addresses is the addresses of everything, sorted.
func (s stack) addresses() []string { return slices.Sorted(maps.Keys(s.resources())) }

// get follows keys and indices into the properties: get("health_check", "path"), get("rule", 0, "id"). It is nil
// where there is nothing.
func (r resource) get(path ...any) any {
	var value any = map[string]any(r)
	for _, part := range path {
		switch v := value.(type) {
		case map[string]any:
			key, _ := part.(string)
			value = v[key]
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

// want fails the test where the value at a path is not the expected one. Numbers are float64, as in JSON.
func (r resource) want(t *testing.T, expected any, path ...any) {
	t.Helper()
	if got := r.get(path...); fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", expected) {
		t.Errorf("%v is %#v, want %#v", path, got, expected)
	}
}

// strings is a list of strings at a path.
func (r resource) strings(path ...any) []string {
	list, _ := r.get(path...).([]any)
	var texts []string
	for _, item := range list {
		texts = append(texts, fmt.Sprint(item))
	}
	return texts
}

// text is a string at a path; empty where there is none.
func (r resource) text(path ...any) string {
	s, _ := r.get(path...).(string)
	return s
}

// statement is a statement of an IAM policy.
type statement struct {
	Sid, Effect      string
	Principal        map[string][]string
	Action, Resource []string
	Condition        map[string]map[string][]string
}

// statements reads the policy document at a path.
func (r resource) statements(t *testing.T, path ...any) []statement {
	t.Helper()
	var document struct{ Statement []statement }
	if err := json.Unmarshal([]byte(r.text(path...)), &document); err != nil {
		t.Fatalf("policy at %v: %v", path, err)
	}
	return document.Statement
}
