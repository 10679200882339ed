package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// CopyCheckout copies the files that git knows, with the reference environments as the operator's. What is installed is linked; what
// commands write into .local is not.
func CopyCheckout(t *testing.T) string {
	t.Helper()
	checkout := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = Root
	out, err := list.Output()
	for _, file := range strings.Split(strings.TrimSuffix(string(Must(t, out, err)), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(Root, file))
		if os.IsNotExist(err) {
			continue // deleted, and not committed
		}
		path := filepath.Join(checkout, file)
		Must(t, 0, os.MkdirAll(filepath.Dir(path), 0o755))
		Must(t, 0, os.WriteFile(path, Must(t, content, err), 0o644))
	}
	Must(t, 0, os.MkdirAll(filepath.Join(checkout, ".local", "bin"), 0o755))
	for _, installed := range []string{"node_modules", ".venv", ".local/checks", ".local/tflint", ".local/packagecache", ".local/bin/terraform"} {
		if _, err := os.Stat(filepath.Join(Root, installed)); err == nil {
			Must(t, 0, os.Symlink(filepath.Join(Root, installed), filepath.Join(checkout, installed)))
		}
	}
	Must(t, 0, CopyEnvironments(checkout, filepath.Join(Root, ReferenceDir)))
	return checkout
}
