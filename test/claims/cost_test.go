package claims

import (
	"testing"

	"github.com/starttech/infrastructure/internal/cost"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// estimateOf is what a stack costs.
func estimateOf(t *testing.T, s stack) cost.Estimate {
	t.Helper()
	region, resources, err := cost.FromStack(s.JSON)
	harness.Must(t, resources, err)
	equal(t, "region", region, s.Environment().Region)
	return cost.Of(resources)
}

// starttech cost knows every resource: its type is either priced or free (internal/cost/pricing.go).
func TestEveryResourceIsPricedOrFree(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		equalSets(t, "types that internal/cost/pricing.go does not have", estimateOf(t, s).NotPriced, nil)
	})
}

// The environments of the tests are of instances, nodes and volumes that have a price.
func TestEveryInstanceAndNodeHasAPrice(t *testing.T) {
	for _, output := range []harness.Output{harness.Variants(t), harness.Components(t)} {
		for name, s := range output.Stacks {
			equalSets(t, "without a price in "+name, estimateOf(t, s).NoPrice, nil)
		}
	}
}

// The components of production are blocks of its file, by name.
func TestCostsAreOfTheBlocks(t *testing.T) {
	estimate := estimateOf(t, production(t))
	for _, block := range []string{"network", "loadBalancer", "backend", "registry", "cache", "frontend", "monitoring"} {
		if component := estimate.Component(block); len(component.Items)+len(component.Use) == 0 {
			t.Errorf("nothing of %s costs anything", block)
		}
	}
	equalSets(t, "notes of Spot Instances", estimateOf(t, variant(t, "modern")).Notes,
		[]string{"Spot Instances are counted as On-Demand Instances, because AWS changes their price all the time"})
	equalSets(t, "notes of scheduled actions", estimateOf(t, component(t, "schedule")).Notes,
		[]string{"scheduled actions change the number of instances; the sum has minSize of them"})
}
