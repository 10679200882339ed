package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeFiles makes a new folder with the given files in it; a name that ends in a slash is a folder.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		folder, file := filepath.Split(filepath.Join(dir, name))
		if strings.HasSuffix(name, "/") {
			folder, file = filepath.Join(folder, file), ""
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if file == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
