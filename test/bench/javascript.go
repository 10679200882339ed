package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// javascriptSource is the JavaScript program, its packages, and their exact versions.
const javascriptSource = "test/bench/javascript"

// packages are the JavaScript packages that Go modules, here without their major versions, are the bindings of. They have
// the same versions.
var packages = map[string]string{
	"@cdktf/provider-aws": "github.com/cdktf/cdktf-provider-aws-go/aws",
	"cdktf":               "github.com/hashicorp/terraform-cdk-go/cdktf",
	"constructs":          "github.com/aws/constructs-go/constructs",
}

// installJavaScript installs the JavaScript program into .local, where that was not done before from the same lock file,
// and returns its folder.
func installJavaScript(ctx context.Context, root string) (string, error) {
	source := filepath.Join(root, javascriptSource)
	lock, err := os.ReadFile(filepath.Join(source, "package-lock.json"))
	if err != nil {
		return "", err
	}
	if err := checkVersions(ctx, root, lock); err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".local", "bench", "javascript")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{"package.json", "package-lock.json", "program.js"} {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	stamp := filepath.Join(dir, "node_modules", ".installed") // npm ci removes it with the folder
	if installed, err := os.ReadFile(stamp); err == nil && bytes.Equal(installed, lock) {
		return dir, nil
	}
	if err := quietly(command(ctx, dir, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")); err != nil {
		return "", err
	}
	return dir, os.WriteFile(stamp, lock, 0o644)
}

// checkVersions fails where the lock file has other versions than go.mod.
func checkVersions(ctx context.Context, root string, lock []byte) error {
	var locked struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.Unmarshal(lock, &locked); err != nil {
		return fmt.Errorf("%s/package-lock.json: %w", javascriptSource, err)
	}
	out, err := command(ctx, root, "go", "mod", "edit", "-json").Output()
	if err != nil {
		return fmt.Errorf("go mod edit -json: %w", err)
	}
	var module struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &module); err != nil {
		return fmt.Errorf("go mod edit -json: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		have, want := locked.Packages["node_modules/"+name].Version, ""
		for _, required := range module.Require {
			if strings.HasPrefix(required.Path+"/", packages[name]+"/") {
				want = strings.TrimPrefix(required.Version, "v")
			}
		}
		if have != want {
			return fmt.Errorf("%s has %s %s, but go.mod has %s: run npm install --package-lock-only --save-exact %s@%s there", javascriptSource, name, have, want, name, want)
		}
	}
	return nil
}
