package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	tfjson "github.com/hashicorp/terraform-json"
)

// Digest identifies what a plan changes: two plans have the same digest if they do the same to the same resources and outputs. It
// is the SHA-256 of the changes in JSON. Of a changed resource, only the attributes that differ count, because AWS updates others,
// such as dates, between two plans. Data sources do not count, because each plan reads them again.
func Digest(plan *tfjson.Plan) (string, error) {
	type change struct {
		Address  string `json:"address"`
		Previous string `json:"previous,omitempty"`
		Deposed  string `json:"deposed,omitempty"`
		Imported bool   `json:"imported,omitempty"`

		Actions    tfjson.Actions `json:"actions"`
		Reason     string         `json:"reason,omitempty"`
		Paths      []any          `json:"paths,omitempty"`      // the attributes that require a replacement
		Attributes map[string]any `json:"attributes,omitempty"` // before, after, unknown
	}
	var changes []change
	for _, resource := range changedResources(plan) {
		changes = append(changes, change{
			Address: resource.Address, Previous: resource.PreviousAddress, Deposed: resource.DeposedKey, Imported: resource.Change.Importing != nil,
			Actions: resource.Change.Actions, Reason: string(resource.ActionReason), Paths: resource.Change.ReplacePaths,
			Attributes: changedAttributes(resource.Change),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(plan.OutputChanges)) {
		if output := plan.OutputChanges[name]; output != nil && !output.Actions.NoOp() {
			changes = append(changes, change{
				Address: "output." + name, Actions: output.Actions, Attributes: map[string]any{"value": []any{output.Before, output.After, output.AfterUnknown}},
			})
		}
	}
	content, err := json.Marshal(changes) // the keys of maps are sorted
	if err != nil {
		return "", fmt.Errorf("digest of the plan: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}

// changedAttributes is the attributes that differ, by name, each as before, after and what is unknown of it. What is destroyed has
// none.
func changedAttributes(change *tfjson.Change) map[string]any {
	attributes := map[string]any{}
	before, _ := change.Before.(map[string]any)
	after, _ := change.After.(map[string]any)
	unknown, _ := change.AfterUnknown.(map[string]any)
	if change.After == nil {
		return nil
	}
	for _, values := range []map[string]any{before, after, unknown} {
		for name := range values {
			if isUnknown := unknown[name] != nil && unknown[name] != false; isUnknown || !reflect.DeepEqual(before[name], after[name]) {
				attributes[name] = []any{before[name], after[name], unknown[name]}
			}
		}
	}
	return attributes
}
