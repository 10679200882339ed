package test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ref is a reference to an attribute of a resource, as it stands in Terraform's JSON.
func ref(address, attribute string) string { return "${" + address + "." + attribute + "}" }

// addressOf is the resource that a reference points at: "aws_vpc.network" of "${aws_vpc.network.id}".
func addressOf(reference string) string {
	parts := strings.SplitN(strings.Trim(reference, "${}"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// equal fails the test where got is not want. A list without items is no list.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// equalSets is equal where the order means nothing.
func equalSets(t *testing.T, what string, got, want []string) {
	t.Helper()
	equal(t, what, slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
}

// onEveryStack makes a claim on all stacks, bootstrap's among them.
func onEveryStack(t *testing.T, claim func(t *testing.T, s stack)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(variants.stacks)) {
		t.Run(name, func(t *testing.T) { claim(t, variants.stacks[name]) })
	}
}

// onEveryEnvironment makes a claim on the stacks of all environments.
func onEveryEnvironment(t *testing.T, claim func(t *testing.T, s stack)) {
	t.Helper()
	onEveryStack(t, func(t *testing.T, s stack) {
		if s.name != "bootstrap" {
			claim(t, s)
		}
	})
}

// only is the one resource of a type, with its address.
func (s stack) only(t *testing.T, kind string) (string, resource) {
	t.Helper()
	all := s.ofType(kind)
	if len(all) != 1 {
		t.Fatalf("%s has %d of %s, want one", s.name, len(all), kind)
	}
	for address, r := range all {
		return address, r
	}
	panic("unreachable")
}

// refs is references to one attribute of several resources.
func refs(attribute string, addresses ...string) []string {
	var all []string
	for _, address := range addresses {
		all = append(all, ref(address, attribute))
	}
	return all
}

// extremes is two environments at the limits: the longest name with everything turned on, and one in another account
// and region where no setting is the default.
func extremes(t *testing.T) output {
	t.Helper()
	out, err := synthesizeExtremes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const longestName = "fourteen-chars"

var synthesizeExtremes = sync.OnceValues(func() (output, error) {
	from := filepath.Join(scratch, "extreme environments")
	if err := os.MkdirAll(from, 0o755); err != nil {
		return output{}, err
	}
	for name, content := range map[string]string{
		longestName: `
account: "123456789012"
domain: {name: app.example.com, hostedZoneId: Z0123456789ABCDEFGHIJ}
network:
  interfaceEndpoints: true
  natGateways: per-az
  sshCidrs: [203.0.113.0/24]
backend: {spotPercent: 50}
monitoring: {alarmEmails: [ops@example.com]}
`,
		"elsewhere": elsewhere,
	} {
		if err := os.WriteFile(filepath.Join(from, name+".yaml"), []byte(content), 0o644); err != nil {
			return output{}, err
		}
	}
	return synthesize(filepath.Join(scratch, "extremes"), from)
})
