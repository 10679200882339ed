package main

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
)

func TestCommittedSchemaAndTablesAreCurrent(t *testing.T) {
	t.Chdir("..")
	schema, components, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	content, err := encode(schema)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/components.md")
	if err != nil {
		t.Fatal(err)
	}
	withTable, err := replaceTable(string(page), components)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"schema.json":              string(content),
		"../docs/configuration.md": table(schema),
		"../docs/components.md":    withTable,
	} {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is stale; run make snapshots (-want +got):\n%s", file, diff)
		}
	}

	// Each component has a section.
	var keys, sections []string
	for _, c := range components {
		keys = append(keys, c.key)
	}
	for _, match := range regexp.MustCompile("(?m)^## `(.*)`$").FindAllStringSubmatch(string(page), -1) {
		sections = append(sections, match[1])
	}
	slices.Sort(keys)
	slices.Sort(sections)
	if diff := cmp.Diff(keys, sections); diff != "" {
		t.Errorf("the components and the sections of docs/components.md (-components +sections):\n%s", diff)
	}
}

func TestCommentOfAComponentIsComplete(t *testing.T) {
	schema := &jsonschema.Schema{Properties: jsonschema.NewProperties()}
	schema.Properties.Set("x", &jsonschema.Schema{Description: "Does x.\n\nCosts: nothing.\n\nNeeds: y."})
	if _, err := componentsOf(schema, ""); err == nil {
		t.Error("a comment without Check is no error")
	}
}
