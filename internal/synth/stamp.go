package synth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// stamp is what the last synthesis has read and written. Paths are relative to the checkout.
type stamp struct {
	Packages []string          `json:"packages"` // directories of the program's packages
	Inputs   map[string]string `json:"inputs"`   // by path: size and modification time
	Outputs  map[string]string `json:"outputs"`
}

// stampFile is where the last synthesis that succeeded is recorded.
const stampFile = ".local/synth.json"

// Current reports whether cdktf.out was written from the sources as they are now: the environment files, the Go code and
// the files that it embeds, and the versions of the dependencies. Anything else, such as a missing or edited stack, is false.
func Current(root string) bool {
	content, err := os.ReadFile(filepath.Join(root, stampFile))
	if err != nil {
		return false
	}
	var s stamp
	if json.Unmarshal(content, &s) != nil || len(s.Outputs) == 0 {
		return false
	}
	inputs, err := fingerprint(root, inputPatterns(s.Packages))
	if err != nil || !maps.Equal(inputs, s.Inputs) {
		return false
	}
	outputs, err := fingerprint(root, outputPatterns)
	return err == nil && maps.Equal(outputs, s.Outputs)
}

var outputPatterns = []string{outDir + "/manifest.json", outDir + "/stacks/*/cdk.tf.json"}

// inputPatterns match the files that a synthesis reads. A new file in a package's directory matches as well.
func inputPatterns(packages []string) []string {
	patterns := []string{"go.mod", "go.sum", "package-lock.json", "environments/*"}
	for _, dir := range packages {
		for _, extension := range []string{"go", "js", "json", "sh"} { // code, and what it embeds
			patterns = append(patterns, filepath.Join(dir, "*."+extension))
		}
	}
	return patterns
}

// readInputs is a stamp without outputs.
func readInputs(ctx context.Context, root string) (stamp, error) {
	command := exec.CommandContext(ctx, "go", "list", "-deps", "-f", `{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}`, ".")
	command.Dir = root
	out, err := command.Output()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return stamp{}, errors.New("go is not on PATH: install Go (https://go.dev/dl)")
	case errors.As(err, &exit):
		return stamp{}, fmt.Errorf("list the program's packages: %s", strings.TrimSpace(string(exit.Stderr)))
	case err != nil:
		return stamp{}, err
	}
	var s stamp
	for _, dir := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		relative, err := filepath.Rel(root, dir)
		if err != nil {
			return stamp{}, err
		}
		s.Packages = append(s.Packages, relative)
	}
	s.Inputs, err = fingerprint(root, inputPatterns(s.Packages))
	return s, err
}

// Record records cdktf.out as current. Tests use it for stacks that they write themselves.
func Record(root string) error {
	inputs, err := fingerprint(root, inputPatterns(nil))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(stampFile)), 0o755); err != nil {
		return err
	}
	return writeStamp(root, stamp{Inputs: inputs})
}

func writeStamp(root string, s stamp) error {
	var err error
	if s.Outputs, err = fingerprint(root, outputPatterns); err != nil {
		return err
	}
	content, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, stampFile), content, 0o644)
}

func removeStamp(root string) error {
	err := os.Remove(filepath.Join(root, stampFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fingerprint is the size and the modification time of every file that matches a pattern. Tests are left out.
func fingerprint(root string, patterns []string) (map[string]string, error) {
	files := map[string]string{}
	for _, pattern := range patterns {
		matches, err := fs.Glob(os.DirFS(root), filepath.ToSlash(pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range slices.DeleteFunc(matches, func(file string) bool { return strings.HasSuffix(file, "_test.go") }) {
			info, err := os.Stat(filepath.Join(root, file))
			if err != nil {
				return nil, err
			}
			files[file] = fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
		}
	}
	return files, nil
}
