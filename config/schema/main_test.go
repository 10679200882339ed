package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommittedSchemaAndTableAreCurrent(t *testing.T) {
	t.Chdir("..")
	schema, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	content, err := encode(schema)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"schema.json":              string(content),
		"../docs/configuration.md": table(schema),
	} {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is stale; run make snapshots (-want +got):\n%s", file, diff)
		}
	}
}
