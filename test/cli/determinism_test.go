package cli

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestStackDependsOnNeitherDirectoryNorOtherStacks(t *testing.T) {
	t.Parallel()
	reference, variants := stackJSON(harness.Reference(t)), stackJSON(harness.Variants(t))
	delete(reference, "bootstrap") // it contains the names of the environments
	maps.DeleteFunc(variants, func(name, _ string) bool { return reference[name] == "" })
	equal(t, "stacks", variants, reference)
}

func TestManifestDependsOnNeitherDirectoryNorOtherStacks(t *testing.T) {
	t.Parallel()
	type manifest struct {
		Version string
		Stacks  map[string]any
	}
	read := func(o harness.Output) (m manifest) {
		content, err := os.ReadFile(filepath.Join(o.Dir, "cdktf.out", "manifest.json"))
		check(t, err)
		check(t, json.Unmarshal(content, &m))
		if len(m.Stacks) != len(o.Stacks) {
			t.Errorf("%d stacks in the manifest, want %d", len(m.Stacks), len(o.Stacks))
		}
		return m
	}
	reference, variants := read(harness.Reference(t)), read(harness.Variants(t))
	maps.DeleteFunc(variants.Stacks, func(name string, _ any) bool { return reference.Stacks[name] == nil })
	equal(t, "manifest", variants, reference)
}

func TestOutputDoesNotContainItsOrigin(t *testing.T) {
	t.Parallel()
	home, err := os.UserHomeDir()
	check(t, err)
	host, err := os.Hostname()
	check(t, err)
	for _, o := range []harness.Output{harness.Reference(t), harness.Variants(t)} {
		origins := map[string]string{
			"directory": o.Dir, "scratch directory": harness.Scratch, "checkout": harness.Root, "home directory": home + "/", "host": host,
		}
		check(t, filepath.WalkDir(filepath.Join(o.Dir, "cdktf.out"), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			for what, origin := range origins {
				// As a word: a host may be called "vm", and the name of every image contains "hvm".
				if bytes.Contains(content, []byte(origin)) && regexp.MustCompile(`(^|[^A-Za-z0-9])`+regexp.QuoteMeta(origin)+`([^A-Za-z0-9]|$)`).Match(content) {
					t.Errorf("%s contains the %s, %s", path, what, origin)
				}
			}
			return err
		}))
	}
}
