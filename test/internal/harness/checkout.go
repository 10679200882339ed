package harness

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// generated is the directories of a checkout that are in no commit.
var generated = []string{".git", ".local", ".venv", "node_modules", "cdktf.out/stacks", ".terraform", "__pycache__"}

// CopyCheckout copies the files of a commit, with the reference environments as the operator's. What is installed is linked; what
// commands write into .local is not. The checkout can be an archive, without git.
func CopyCheckout(t *testing.T) string {
	t.Helper()
	checkout := t.TempDir()
	Must(t, 0, filepath.WalkDir(Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file, err := filepath.Rel(Root, path)
		switch {
		case err != nil:
			return err
		case slices.Contains(generated, file) || slices.Contains(generated, entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil // in a worktree, .git is a file, and what is installed can be a link
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(checkout, file), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(checkout, file), content, 0o644)
	}))
	Must(t, 0, os.MkdirAll(filepath.Join(checkout, ".local", "bin"), 0o755))
	for _, installed := range []string{"node_modules", ".venv", ".local/checks", ".local/tflint", ".local/packagecache", ".local/bin/terraform"} {
		if _, err := os.Stat(filepath.Join(Root, installed)); err == nil {
			Must(t, 0, os.Symlink(filepath.Join(Root, installed), filepath.Join(checkout, installed)))
		}
	}
	Must(t, 0, CopyEnvironments(checkout, filepath.Join(Root, ReferenceDir)))
	return checkout
}
