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

	"github.com/starttech/infrastructure/packagecache/bench/measure"
)

// javascriptDir holds the JavaScript program and the exact versions of its packages.
const javascriptDir = "bench/javascript"

// packages maps JavaScript packages to the Go modules with their bindings, without the major version. Both have the same
// version.
var packages = map[string]string{
	"@cdktf/provider-aws": "github.com/cdktf/cdktf-provider-aws-go/aws",
	"cdktf":               "github.com/hashicorp/terraform-cdk-go/cdktf",
	"constructs":          "github.com/aws/constructs-go/constructs",
}

// installJavaScript installs the JavaScript program below .local in the directory of the CDKTF program, unless that has been
// done with the same lock file, and returns the absolute path of its script.
func installJavaScript(ctx context.Context) (script string, err error) {
	lock, err := os.ReadFile(filepath.Join(javascriptDir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	for _, module := range []string{programDir, resourcesDir} {
		if err := checkVersions(ctx, module, lock); err != nil {
			return "", err
		}
	}
	dir, err := filepath.Abs(filepath.Join(programDir, ".local", "bench", "javascript"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{"package.json", "package-lock.json", "program.js"} {
		content, err := os.ReadFile(filepath.Join(javascriptDir, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	script = filepath.Join(dir, "program.js")
	stamp := filepath.Join(dir, "node_modules", ".installed") // npm ci removes it with the directory
	if installed, err := os.ReadFile(stamp); err == nil && bytes.Equal(installed, lock) {
		return script, nil
	}
	if err := measure.RunQuietly(measure.Command(ctx, dir, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")); err != nil {
		return "", err
	}
	return script, os.WriteFile(stamp, lock, 0o644)
}

// checkVersions returns an error if the lock file has other versions than the go.mod in dir.
func checkVersions(ctx context.Context, dir string, lock []byte) error {
	var locked struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.Unmarshal(lock, &locked); err != nil {
		return fmt.Errorf("%s/package-lock.json: %w", javascriptDir, err)
	}
	out, err := measure.Command(ctx, dir, "go", "mod", "edit", "-json").Output()
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
		got, want := locked.Packages["node_modules/"+name].Version, ""
		for _, required := range module.Require {
			if strings.HasPrefix(required.Path+"/", packages[name]+"/") {
				want = strings.TrimPrefix(required.Version, "v")
			}
		}
		if got != want {
			return fmt.Errorf("%s/package-lock.json has %s %s, %s/go.mod has %s: after a change of go.mod run npm install --package-lock-only --save-exact %s@%s in %s",
				javascriptDir, name, got, dir, want, name, want, javascriptDir)
		}
	}
	return nil
}
