package report_test

import (
	"slices"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/report"
)

func TestDigestIsOfTheChanges(t *testing.T) {
	digest := func(change func(*tfjson.Plan)) string {
		t.Helper()
		plan := &tfjson.Plan{
			ResourceChanges: []*tfjson.ResourceChange{{
				Address: "aws_lb.a", Mode: tfjson.ManagedResourceMode, Change: &tfjson.Change{
					Actions: tfjson.Actions{tfjson.ActionUpdate},
					Before:  map[string]any{"name": "a", "idle_timeout": 60.0, "modified": "yesterday"},
					After:   map[string]any{"name": "a", "idle_timeout": 30.0, "modified": "yesterday"},
				},
			}, {
				Address: "aws_eip.b", Mode: tfjson.ManagedResourceMode, Change: &tfjson.Change{
					Actions: tfjson.Actions{tfjson.ActionDelete}, Before: map[string]any{"id": "eip-1", "modified": "yesterday"},
				},
			}, {
				Address: "data.aws_ami.c", Mode: tfjson.DataResourceMode, Change: &tfjson.Change{
					Actions: tfjson.Actions{tfjson.ActionRead}, After: map[string]any{"id": "ami-1"},
				},
			}, {
				Address: "aws_vpc.d", Mode: tfjson.ManagedResourceMode, Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionNoop}},
			}},
			OutputChanges: map[string]*tfjson.Change{"site_url": {Actions: tfjson.Actions{tfjson.ActionUpdate}, Before: "x", After: "y"}},
		}
		change(plan)
		found, err := report.Digest(plan)
		if err != nil || len(found) != 64 {
			t.Fatalf("%q, %v", found, err)
		}
		return found
	}
	attributes := func(plan *tfjson.Plan, i int) (before, after map[string]any) {
		before, _ = plan.ResourceChanges[i].Change.Before.(map[string]any)
		after, _ = plan.ResourceChanges[i].Change.After.(map[string]any)
		return before, after
	}
	want := digest(func(*tfjson.Plan) {})

	for name, change := range map[string]func(*tfjson.Plan){
		"another order": func(p *tfjson.Plan) { slices.Reverse(p.ResourceChanges) },
		"a date that AWS updates": func(p *tfjson.Plan) {
			before, after := attributes(p, 0)
			before["modified"], after["modified"] = "today", "today"
			destroyed, _ := attributes(p, 1)
			destroyed["modified"] = "today"
		},
		"another data source": func(p *tfjson.Plan) { _, after := attributes(p, 2); after["id"] = "ami-2" },
	} {
		if got := digest(change); got != want {
			t.Errorf("%s: %s, want the same digest %s", name, got, want)
		}
	}
	for name, change := range map[string]func(*tfjson.Plan){
		"another new value":       func(p *tfjson.Plan) { _, after := attributes(p, 0); after["idle_timeout"] = 31.0 },
		"another old value":       func(p *tfjson.Plan) { before, _ := attributes(p, 0); before["idle_timeout"] = 61.0 },
		"another attribute":       func(p *tfjson.Plan) { _, after := attributes(p, 0); after["name"] = "b" },
		"a value that is removed": func(p *tfjson.Plan) { _, after := attributes(p, 0); delete(after, "name") },
		"a value that is unknown": func(p *tfjson.Plan) { p.ResourceChanges[0].Change.AfterUnknown = map[string]any{"name": true} },
		"another action": func(p *tfjson.Plan) {
			p.ResourceChanges[0].Change.Actions = tfjson.Actions{tfjson.ActionDelete, tfjson.ActionCreate}
		},
		"another resource":         func(p *tfjson.Plan) { p.ResourceChanges[1].Address = "aws_eip.c" },
		"a resource less":          func(p *tfjson.Plan) { p.ResourceChanges = p.ResourceChanges[1:] },
		"a resource that is moved": func(p *tfjson.Plan) { p.ResourceChanges[3].PreviousAddress = "aws_vpc.e" },
		"a deposed object":         func(p *tfjson.Plan) { p.ResourceChanges[1].DeposedKey = "1234" },
		"another output":           func(p *tfjson.Plan) { p.OutputChanges["site_url"].After = "z" },
	} {
		if digest(change) == want {
			t.Errorf("%s: the same digest", name)
		}
	}
}
