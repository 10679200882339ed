package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommittedTypesAreBotocores(t *testing.T) {
	requirements, err := os.ReadFile("../../local/ministack/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../aws_types.txt")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(got), "\n")
	if pin := strings.Replace(first, " ", "==", 1); !strings.Contains(string(requirements), pin+" \\\n") {
		t.Errorf("aws_types.txt is of %s, which is not the version in local/ministack/requirements.txt; run make snapshots", first)
	}

	botocore, err := find("../../.venv")
	if err != nil {
		t.Fatal(err)
	}
	if botocore == "" {
		t.Skip("make install has not installed botocore")
	}
	want, err := Generate(botocore)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("aws_types.txt is stale; run make snapshots (-want +got):\n%s", diff)
	}
}

func TestWithoutBotocoreTheFileStays(t *testing.T) {
	file := t.TempDir() + "/types.txt"
	if err := write(t.TempDir(), file); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is written: %v", err)
	}
}
