package main

import (
	"archive/tar"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// extract extracts layers, and returns the root directory and the error.
func extract(t *testing.T, layers ...v1.Layer) (root string, err error) {
	t.Helper()
	image, err := mutate.AppendLayers(empty.Image, layers...)
	must(t, err)
	directory, err := makeRootDirectory(filepath.Join(t.TempDir(), "parent", "root"))
	must(t, err)
	t.Cleanup(func() { directory.Close() })
	return directory.path, directory.extract(image)
}

func file(name string) *tar.Header {
	return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}
}

func link(kind byte, name, target string) *tar.Header {
	return &tar.Header{Name: name, Typeflag: kind, Linkname: target, Mode: 0o777}
}

func TestLayerCannotEscape(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]any{
		"parent directory":             {file("../evil"), "x"},
		"parent directory in the path": {file("a/../../evil"), "x"},
		"symbolic link":                {link(tar.TypeSymlink, "out", "../.."), "", file("out/evil"), "x"},
		"chain of symbolic links": {
			link(tar.TypeSymlink, "a", ".."), "", link(tar.TypeSymlink, "b", "a/.."), "", file("b/evil"), "x",
		},
		"hard link":                      {link(tar.TypeLink, "out", "../victim"), ""},
		"hard link through a link":       {link(tar.TypeSymlink, "up", ".."), "", link(tar.TypeLink, "out", "up/victim"), ""},
		"whiteout in a parent directory": {file("../.wh.victim"), ""},
		"whiteout through a link":        {link(tar.TypeSymlink, "up", ".."), "", file("up/.wh.victim"), ""},
		"whiteout of a parent directory": {file(".wh..."), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			root, err := makeRootDirectory(filepath.Join(directory, "parent", "root"))
			must(t, err)
			defer root.Close()
			victim := filepath.Join(root.path, "..", "victim")
			must(t, os.WriteFile(victim, nil, 0o600))
			if err := root.extractLayer(newLayer(t, entries...)); err == nil {
				t.Error("the layer is extracted")
			}
			if _, err := os.Stat(victim); err != nil {
				t.Error(err)
			}
			_ = filepath.WalkDir(directory, func(path string, _ fs.DirEntry, _ error) error {
				if strings.HasSuffix(path, "evil") {
					t.Errorf("%s exists", path)
				}
				return nil
			})
		})
	}
}

func TestAbsolutePathsAreInsideRoot(t *testing.T) {
	t.Parallel()
	root, err := extract(t, newLayer(t,
		file("/run/a"), "content", link(tar.TypeSymlink, "/var/run", "/run"), "", file("/var/run/b"), "other",
		link(tar.TypeLink, "/hard", "/run/a"), "",
	))
	must(t, err)
	for name, want := range map[string]string{"var/run/a": "content", "run/b": "other", "hard": "content"} {
		if got, err := os.ReadFile(filepath.Join(root, name)); string(got) != want {
			t.Errorf("%s has %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestWhiteoutsDeleteFilesOfLowerLayers(t *testing.T) {
	t.Parallel()
	root, err := extract(t,
		newLayer(t, file("a/old"), "", file("a/b/old"), "", file("c/old"), "", file("c/kept"), "", file("d"), ""),
		newLayer(t, file("a/new"), "", file("a/.wh..wh..opq"), "", file("c/.wh.old"), "",
			&tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}, "", file("d/e"), ""),
	)
	must(t, err)
	var files []string
	must(t, fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if !entry.IsDir() {
			files = append(files, name)
		}
		return err
	}))
	if want := []string{"a/new", "c/kept", "d/e"}; !slices.Equal(files, want) {
		t.Errorf("files are %v, want %v", files, want)
	}
}
