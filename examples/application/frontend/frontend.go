// Package frontend is the page of the example application: static files, whose assets have a hash of their content in their names,
// as the build of a bundler writes them.
package frontend

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

//go:embed index.html app.js style.css icon.svg
var files embed.FS

// Build writes the page into a directory, which it creates: index.html, and the other files in assets.
func Build(dir string) error {
	assets := filepath.Join(dir, "assets")
	if err := os.MkdirAll(assets, 0o755); err != nil {
		return err
	}
	page, err := files.ReadFile("index.html")
	if err != nil {
		return err
	}
	entries, err := files.ReadDir(".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if name == "index.html" {
			continue
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		extension := path.Ext(name)
		hash := sha256.Sum256(content)
		hashed := fmt.Sprintf("%s-%x%s", strings.TrimSuffix(name, extension), hash[:4], extension)
		if err := os.WriteFile(filepath.Join(assets, hashed), content, 0o644); err != nil {
			return err
		}
		reference := []byte(`"/assets/` + name + `"`)
		if !bytes.Contains(page, reference) {
			return fmt.Errorf("index.html has no %s", reference)
		}
		page = bytes.ReplaceAll(page, reference, []byte(`"/assets/`+hashed+`"`))
	}
	return os.WriteFile(filepath.Join(dir, "index.html"), page, 0o644)
}
