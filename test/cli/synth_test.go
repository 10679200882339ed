package cli

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/packagecache"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// starttech builds the program in a checkout of links to the sources. cdktf runs the built program in place of go run. Both
// checkouts have files of an earlier synthesis.
func TestSynthIsCdktfSynth(t *testing.T) {
	t.Parallel()
	newStale := func() checkout {
		c := newCheckout(t)
		c.addGo(t)
		c.env[packagecache.Variable] = harness.PackageCache
		c.write(t, "cdktf.out/stacks/removed/cdk.tf.json", "{}")
		c.write(t, "cdktf.out/stacks/production/plan", "a plan")
		return c
	}
	byCdktf, byStarttech := newStale(), newStale()

	byCdktf.write(t, "cdktf.json", strings.Replace(byCdktf.read(t, "cdktf.json"), "go run .", harness.Must2(t, harness.Program), 1))
	cdktf := exec.CommandContext(t.Context(), "cdktf", "synth")
	byCdktf.in(cdktf)
	var output bytes.Buffer
	cdktf.Stdout, cdktf.Stderr = &output, &output
	check(t, cdktf.Start())

	sources, err := os.ReadDir(harness.Root)
	check(t, err)
	for _, source := range sources {
		link := filepath.Join(byStarttech.dir, source.Name())
		if _, err := os.Lstat(link); os.IsNotExist(err) && !strings.HasPrefix(source.Name(), ".") {
			check(t, os.Symlink(filepath.Join(harness.Root, source.Name()), link))
		}
	}
	packageCache := filepath.Join(".local", "packagecache")
	check(t, os.Symlink(filepath.Join(harness.Root, packageCache), filepath.Join(byStarttech.dir, packageCache)))
	byStarttech.mustRun(t, "synth", "Synthesize the stacks")
	if err := cdktf.Wait(); err != nil {
		t.Fatalf("cdktf synth: %v\n%s", err, &output)
	}

	want := byCdktf.readDir(t, "cdktf.out")
	for _, file := range []string{"manifest.json", "stacks/bootstrap/cdk.tf.json", "stacks/production/cdk.tf.json", "stacks/production/plan"} {
		if want[file] == "" {
			t.Errorf("cdktf synth has written no %s", file)
		}
	}
	equal(t, "cdktf.out", byStarttech.readDir(t, "cdktf.out"), want)
}

// readDir is the files of a directory: the content of each by its path.
func (c checkout) readDir(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := os.DirFS(filepath.Join(c.dir, dir))
	check(t, fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, path)
		files[path] = string(content)
		return err
	}))
	return files
}
