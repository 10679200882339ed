package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

// costPlan is a plan with a provider of a region.
func costPlan(region string, resources ...*tfjson.ResourceChange) *tfjson.Plan {
	expression := &tfjson.Expression{ExpressionData: &tfjson.ExpressionData{ConstantValue: region}}
	return &tfjson.Plan{
		Config:          &tfjson.Config{ProviderConfigs: map[string]*tfjson.ProviderConfig{"aws": {Expressions: map[string]*tfjson.Expression{"region": expression}}}},
		ResourceChanges: resources,
	}
}

// costly is a change of a resource.
func costly(kind string, before, after map[string]any) *tfjson.ResourceChange {
	change := &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionUpdate}}
	if before != nil {
		change.Before = before
	} else {
		change.Actions = tfjson.Actions{tfjson.ActionCreate}
	}
	if after != nil {
		change.After = after
	}
	return &tfjson.ResourceChange{Type: kind, Address: kind + ".x", Change: change}
}

func redisNodes(kind string, n float64) map[string]any {
	return map[string]any{"node_type": kind, "engine": "redis", "num_cache_clusters": n}
}

func TestPlanHasTheMonthlyCost(t *testing.T) {
	key := costly("aws_kms_key", map[string]any{"x": "1"}, map[string]any{"x": "2"})
	for name, test := range map[string]struct {
		plan *tfjson.Plan
		want string // after the headline, before the differences
	}{
		"a change of the cost": {
			costPlan("eu-west-1", key, costly("aws_elasticache_replication_group", redisNodes("cache.t3.micro", 2), redisNodes("cache.t3.small", 2))),
			`
Monthly cost: 27.28 -> **53.56 USD** (+26.28), on-demand.

<details><summary>Monthly cost by component</summary>

| component | before | after | difference |
|---|---:|---:|---:|
| cache | 26.28 | 52.56 | +26.28 |
| total | 27.28 | 53.56 | +26.28 |

</details>
`,
		},
		"no change of the cost": {costPlan("eu-west-1", key), "\nMonthly cost: 1.00 USD on-demand, unchanged.\n"},
		"what has no price": {
			costPlan("eu-west-1", key, costly("aws_elasticache_replication_group", redisNodes("cache.`x`](http://x) |", 2), redisNodes("cache.`x`](http://x) |", 2)), costly("aws_new_thing", nil, map[string]any{})),
			"\nMonthly cost: 1.00 USD on-demand, unchanged.\n\nNot in it:\n\n- no price in the table for ``nodes of type cache.`x`](http://x) | with redis``\n- not priced: `aws_new_thing`\n",
		},
		"a secret": {
			costPlan("eu-west-1", key, secretNode()), "\nMonthly cost: 1.00 USD on-demand, unchanged.\n\nNot in it:\n\n- no price in the table for `nodes of type (sensitive) with redis`\n",
		},
		"another region": {
			costPlan("eu-central-1 *@x*", key),
			"\nMonthly cost: region \"eu-central-1 \\*@<!-- -->x\\*\": the table of prices (internal/cost/prices.go) has those of eu-west-1 only\n",
		},
		"no region": {&tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{key}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, text, _ := strings.Cut(Plan("staging", test.plan), "destroy**\n")
			text, _, _ = strings.Cut(text, "\n<details><summary>Differences")
			if diff := cmp.Diff(test.want, text); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// secretNode is Redis with a secret as its type.
func secretNode() *tfjson.ResourceChange {
	redis := costly("aws_elasticache_replication_group", redisNodes("correct-horse-battery", 1), redisNodes("correct-horse-battery", 1))
	redis.Change.AfterSensitive = map[string]any{"node_type": true}
	return redis
}

func TestPlanWithoutChangesHasNoCost(t *testing.T) {
	unchanged := costly("aws_kms_key", map[string]any{}, map[string]any{})
	unchanged.Change.Actions = tfjson.Actions{tfjson.ActionNoop}
	if text := Plan("staging", costPlan("eu-west-1", unchanged)); strings.Contains(text, "cost") {
		t.Errorf("a cost in:\n%s", text)
	}
}

// The code of a pull request decides what a plan contains.
func TestMonthlyCostIsShort(t *testing.T) {
	var resources []*tfjson.ResourceChange
	for i := range 5000 {
		kind := fmt.Sprintf("aws_%d_%s", i, strings.Repeat("x", 1000))
		resources = append(resources, costly(kind, nil, map[string]any{}),
			costly("aws_elasticache_replication_group", redisNodes(kind, 1e6), redisNodes(kind, 1e6)), costly("aws_kms_key", nil, map[string]any{}))
	}
	plan := costPlan("eu-west-1", resources...)
	text := costChange(plan, secrets.InPlan(plan))
	if len(text) > 2000 || !strings.Contains(text, "more\n") {
		t.Errorf("%d bytes:\n%s", len(text), text)
	}
}
