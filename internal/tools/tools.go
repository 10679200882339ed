// Package tools is the checkout's own tools: where they are installed, and the environment that they run in.
package tools

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Terraform is the version that is installed if PATH has none that the stacks accept.
const Terraform = "1.11.4"

// Directories of the tools, in the checkout.
const (
	NodeModules = "node_modules"  // Node.js and cdktf-cli
	LocalAWS    = ".venv"         // the emulator
	Linters     = ".local/checks" // the Python linters
	Binaries    = ".local/bin"    // Terraform and this project's commands
)

// variables are the same for every tool.
var variables = map[string]string{
	"CHECKPOINT_DISABLE": "1", // Terraform and cdktf do not call home, and do not wait for an answer
	"NODE_NO_WARNINGS":   "1", // Node.js 22 prints deprecations of cdktf's dependencies
	"GOWORK":             "off",
	"GO111MODULE":        "on",
	"GOFLAGS":            "-mod=readonly -buildvcs=false",
	"GOOS":               runtime.GOOS, // go env -w can set another one
	"GOARCH":             runtime.GOARCH,
}

// Variables of the caller that no tool gets, because they would change what is planned, deployed, built or printed. Those that end with *
// are prefixes. Terraform's: https://developer.hashicorp.com/terraform/cli/config/environment-variables. Go's: go help environment.
var removed = []string{
	"TF_WORKSPACE", "TF_DATA_DIR", "TF_INPUT", "TF_REATTACH_PROVIDERS", "TF_CLI_ARGS*", "TF_VAR_*", "TF_LOG*", // TF_LOG prints secrets
	"TERRAFORM_BINARY_NAME", "CDKTF_*", "NODE_OPTIONS",
	"TF_AWS_DEFAULT_TAGS_*", "TF_AWS_IGNORE_TAGS_*", // of the AWS provider
	"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", // with it, the SDKs ignore AWS_ENDPOINT_URL, which a question names
}

// Use sets the environment of this process and of every process that it starts: the tools of the checkout in root are first
// on PATH, except the linters, which only the tests run. It does not depend on a go.work above the checkout, a directory vendor, nor on who
// owns the checkout.
func Use(root string) error {
	path := []string{
		filepath.Join(root, NodeModules, ".bin"), filepath.Join(root, Binaries), os.Getenv("PATH"),
	}
	set := []error{
		os.Setenv("PATH", strings.Join(path, string(os.PathListSeparator))),
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		for _, pattern := range removed {
			if prefix, ok := strings.CutSuffix(pattern, "*"); name == pattern || ok && strings.HasPrefix(name, prefix) {
				set = append(set, os.Unsetenv(name))
			}
		}
	}
	for name, value := range variables {
		set = append(set, os.Setenv(name, value))
	}
	if err := errors.Join(set...); err != nil {
		return fmt.Errorf("set the environment: %w", err)
	}
	return nil
}
