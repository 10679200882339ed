package test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestAStackDoesNotDependOnItsFolderOrOnTheOthers(t *testing.T) {
	for name, s := range shipped.stacks {
		if name == "bootstrap" {
			continue // it says which environments there are
		}
		if !bytes.Equal(s.json, variants.stack(t, name).json) {
			equal(t, name, string(variants.stack(t, name).json), string(s.json))
		}
	}
}

func TestTheManifestsEntryOfAStackDoesNotEither(t *testing.T) {
	type manifest struct {
		Version string
		Stacks  map[string]any
	}
	read := func(o output) manifest {
		content, err := os.ReadFile(filepath.Join(o.dir, "cdktf.out", "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		var m manifest
		if err := json.Unmarshal(content, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	here, there := read(shipped), read(variants)
	equal(t, "version", there.Version, here.Version)
	if len(here.Stacks) != len(shipped.stacks) || len(there.Stacks) != len(variants.stacks) {
		t.Errorf("%d and %d stacks in the manifests, want %d and %d", len(here.Stacks), len(there.Stacks), len(shipped.stacks), len(variants.stacks))
	}
	for name, entry := range here.Stacks {
		equal(t, name, there.Stacks[name], entry)
	}
}

func TestNothingWrittenTellsWhereItWasWritten(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []output{shipped, variants} {
		err := filepath.WalkDir(filepath.Join(o.dir, "cdktf.out"), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for what, text := range map[string]string{"folder": o.dir, "scratch folder": scratch, "checkout": root, "home folder": home + "/", "host": host} {
				// As a word: a host may be called "vm", and "hvm" is in every image's name.
				if regexp.MustCompile(`(^|[^A-Za-z0-9])` + regexp.QuoteMeta(text) + `([^A-Za-z0-9]|$)`).Match(content) {
					t.Errorf("%s has the %s in it, %s", path, what, text)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
