package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/starttech/infrastructure/config"
)

// table lists every key of an environment file, in the order of the types.
func table(schema *jsonschema.Schema) string {
	var out strings.Builder
	out.WriteString(`# Environment files

Every key of a file in environments/, generated from the types in config/ by make snapshots. A key inside a block that is
marked required is required if the block is there. Zones are not checked against AWS, and a
region, an instance type or a node type that is not known is a warning.

The last column is what a change of the key does to a deployed environment. free: in place, without an interruption. rolls: the instances
are replaced one by one, and the site answers meanwhile. interrupts: in place, and something is interrupted. refused: by the deploy, before
anything is touched.

| key | description | default | allowed | after the first deploy |
|---|---|---|---|---|
`)
	rows(&out, "", schema)
	return out.String()
}

// changes is what a change of each key does, by its path.
var changes = config.Changes()

func rows(out *strings.Builder, prefix string, schema *jsonschema.Schema) {
	for pair := schema.Properties.Oldest(); pair != nil; pair = pair.Next() {
		property, path := pair.Value, prefix+pair.Key
		if property.Properties != nil {
			rows(out, path+".", property)
			continue
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s | %s |\n", path, cell(property.Description), defaultOf(property, slices.Contains(schema.Required, pair.Key)),
			cell(allowed(property)), cell(changes[path]))
		if property.Items != nil && property.Items.Properties != nil {
			rows(out, path+"[].", property.Items)
		}
	}
}

func defaultOf(property *jsonschema.Schema, required bool) string {
	if required {
		return "required"
	}
	if list, _ := property.Default.([]any); len(list) > 0 && property.Items.Properties != nil {
		return "two zones of eu-west-1"
	}
	if property.Default == nil {
		return "none"
	}
	text, err := json.Marshal(property.Default)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return "`" + strings.Trim(string(text), `"`) + "`"
}

// allowed is the values that the schema accepts.
func allowed(property *jsonschema.Schema) string {
	switch {
	case len(property.Enum) > 0:
		values := make([]string, len(property.Enum))
		for i, value := range property.Enum {
			values[i] = fmt.Sprint(value)
		}
		return strings.Join(values, ", ")
	case property.Type == "boolean":
		return "true, false"
	case property.Minimum != "" && property.Maximum != "":
		return property.Minimum.String() + " to " + property.Maximum.String()
	case property.Items != nil && property.Items.Format != "":
		return "list of " + property.Items.Format
	case property.Items != nil && property.Items.Pattern != "":
		return "list of `" + property.Items.Pattern + "`"
	case property.Type == "array":
		return "list"
	case property.Format != "":
		return property.Format
	case property.Pattern != "":
		return "`" + property.Pattern + "`"
	}
	return property.Type
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
