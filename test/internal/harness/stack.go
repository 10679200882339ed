package harness

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

// Stack is a synthesized stack.
type Stack struct {
	Name string
	JSON []byte // cdk.tf.json
	Body map[string]any

	environments []config.Environment
}

// Resource is the properties of a resource or data source, as in Terraform's JSON.
type Resource map[string]any

// Resource finds by address: "aws_vpc.network", "data.aws_ssm_parameter.amazon_linux".
func (s Stack) Resource(t *testing.T, address string) Resource {
	t.Helper()
	r, ok := s.Resources()[address]
	if !ok {
		t.Fatalf("%s has no %s", s.Name, address)
	}
	return r
}

// Has reports whether there is a resource at an address.
func (s Stack) Has(address string) bool { return s.Resources()[address] != nil }

// Resources is all resources and data sources, by address.
func (s Stack) Resources() map[string]Resource {
	all := map[string]Resource{}
	for section, prefix := range map[string]string{"resource": "", "data": "data."} {
		types, _ := s.Body[section].(map[string]any)
		for kind, instances := range types {
			for id, properties := range instances.(map[string]any) {
				all[prefix+kind+"."+id] = properties.(map[string]any)
			}
		}
	}
	return all
}

// OfType is the resources of a type, by address.
func (s Stack) OfType(kind string) map[string]Resource {
	found := s.Resources()
	maps.DeleteFunc(found, func(address string, _ Resource) bool { return !strings.HasPrefix(address, kind+".") })
	return found
}

// Only is the one resource of a type, with its address.
func (s Stack) Only(t *testing.T, kind string) (string, Resource) {
	t.Helper()
	all := s.OfType(kind)
	if len(all) != 1 {
		t.Fatalf("%s has %d of %s, want one", s.Name, len(all), kind)
	}
	for address, r := range all {
		return address, r
	}
	panic("unreachable")
}

// Addresses is the addresses of everything, sorted.
func (s Stack) Addresses() []string { return slices.Sorted(maps.Keys(s.Resources())) }

// Output is an output of the stack.
func (s Stack) Output(t *testing.T, name string) Resource {
	t.Helper()
	found, ok := Resource(s.Body).Get("output", name).(map[string]any)
	if !ok {
		t.Fatalf("%s has no output %s", s.Name, name)
	}
	return found
}

// Providers is the provider blocks of the stack.
func (s Stack) Providers() []Resource {
	list, _ := Resource(s.Body).Get("provider", "aws").([]any)
	var all []Resource
	for _, p := range list {
		all = append(all, p.(map[string]any))
	}
	return all
}

// Get follows keys and indices: Get("health_check", "path"), Get("rule", 0, "id"). It is nil if there is nothing.
func (r Resource) Get(path ...any) any {
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

// Want fails the test if the value at a path is not the expected one. Numbers are float64, as in JSON.
func (r Resource) Want(t *testing.T, expected any, path ...any) {
	t.Helper()
	if got := r.Get(path...); fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", expected) {
		t.Errorf("%v is %#v, want %#v", path, got, expected)
	}
}

// Strings is a list of strings at a path.
func (r Resource) Strings(path ...any) []string {
	list, _ := r.Get(path...).([]any)
	var texts []string
	for _, item := range list {
		texts = append(texts, fmt.Sprint(item))
	}
	return texts
}

// Text is a string at a path; empty if there is none.
func (r Resource) Text(path ...any) string {
	s, _ := r.Get(path...).(string)
	return s
}

// Statement is a statement of an IAM policy.
type Statement struct {
	Sid, Effect      string
	Principal        map[string][]string
	Action, Resource []string
	Condition        map[string]map[string][]string
}

// Statements reads the policy document at a path.
func (r Resource) Statements(t *testing.T, path ...any) []Statement {
	t.Helper()
	var document struct{ Statement []Statement }
	if err := json.Unmarshal([]byte(r.Text(path...)), &document); err != nil {
		t.Fatalf("policy at %v: %v", path, err)
	}
	return document.Statement
}

// Ref is a reference to an attribute of a resource, as in Terraform's JSON.
func Ref(address, attribute string) string { return "${" + address + "." + attribute + "}" }

// Refs is references to the same attribute of several resources.
func Refs(attribute string, addresses ...string) []string {
	var all []string
	for _, address := range addresses {
		all = append(all, Ref(address, attribute))
	}
	return all
}

// AddressOf is the resource that a reference refers to: "aws_vpc.network" of "${aws_vpc.network.id}".
func AddressOf(reference string) string {
	parts := strings.SplitN(strings.Trim(reference, "${}"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// IDOf is the last part of an address: "network" of "aws_vpc.network".
func IDOf(address string) string { return address[strings.LastIndex(address, ".")+1:] }
