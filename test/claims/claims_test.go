// Package claims tests what is claimed of the synthesized stacks. It needs Go and Node.js only.
package claims

import (
	"maps"
	"slices"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestMain(m *testing.M) {
	harness.LowerPriority()
	harness.Main(m)
}

type (
	stack     = harness.Stack
	resource  = harness.Resource
	statement = harness.Statement
)

var (
	ref       = harness.Ref
	refs      = harness.Refs
	addressOf = harness.AddressOf
	equal     = harness.Equal
	equalSets = harness.EqualSets
)

// production is the reference environment, variant one of the variants or of the reference environments.
func production(t *testing.T) stack           { return harness.Reference(t).Stack(t, "production") }
func variant(t *testing.T, name string) stack { return harness.Variants(t).Stack(t, name) }

// component has one optional component only, or all of them: "everything".
func component(t *testing.T, name string) stack { return harness.Components(t).Stack(t, name) }

// onEveryStack makes a claim on every stack: of the reference environments, of the variants, of the optional components, and of the operator's files.
// So a claim takes its expectations from the stack's environment.
func onEveryStack(t *testing.T, claim func(t *testing.T, s stack)) {
	t.Helper()
	for name, output := range map[string]harness.Output{"tests": harness.Variants(t), "components": harness.Components(t), "operator": harness.Operator(t)} {
		for _, each := range slices.Sorted(maps.Keys(output.Stacks)) {
			t.Run(name+"/"+each, func(t *testing.T) { claim(t, output.Stacks[each]) })
		}
	}
}

// onEveryEnvironment is onEveryStack without the bootstrap stacks, onEveryBootstrap with them only.
func onEveryEnvironment(t *testing.T, claim func(t *testing.T, s stack)) {
	t.Helper()
	onEveryStack(t, func(t *testing.T, s stack) {
		if !s.IsBootstrap() {
			claim(t, s)
		}
	})
}

func onEveryBootstrap(t *testing.T, claim func(t *testing.T, s stack)) {
	t.Helper()
	onEveryStack(t, func(t *testing.T, s stack) {
		if s.IsBootstrap() {
			claim(t, s)
		}
	})
}

// row is a claim on one attribute of a resource.
type row struct {
	address string
	path    []any
	want    any
}

func at(path ...any) []any { return path }

func (r row) check(t *testing.T, s stack) {
	t.Helper()
	found, ok := s.Resources()[r.address]
	if !ok {
		t.Errorf("there is no %s", r.address)
		return
	}
	if got := found.Get(r.path...); got != r.want {
		t.Errorf("%s: %v is %#v, want %#v", r.address, r.path, got, r.want)
	}
}
