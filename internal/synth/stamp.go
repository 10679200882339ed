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
	Packages     []string `json:"packages"` // directories of the program's packages
	Code         files    `json:"code"`     // of the program
	Environments files    `json:"environments"`
	Program      files    `json:"program"`
	Outputs      files    `json:"outputs"`
	PackageCache string   `json:"packageCache"` // directory of the prepared package cache; empty: none
}

// files is the size and the modification time of files, by path.
type files map[string]string

// stampFile is where the last synthesis that succeeded is recorded.
const stampFile = ".local/synth.json"

// Current reports whether cdktf.out was written from the sources as they are now: the environment files, the Go code and
// the files that it embeds, and the versions of the dependencies. Anything else, such as a missing or edited stack, is false.
func Current(root string) bool {
	s, ok := readStamp(root)
	return ok && len(s.Outputs) > 0 &&
		s.hasCode(root) && unchanged(root, s.Environments, environmentPatterns) && unchanged(root, s.Outputs, outputPatterns)
}

// hasCode reports whether the program's code is what it was.
func (s stamp) hasCode(root string) bool { return unchanged(root, s.Code, codePatterns(s.Packages)) }

var (
	environmentPatterns = []string{"environments/[^.]*"} // config.Load skips hidden files
	programPatterns     = []string{program}
	outputPatterns      = []string{outDir + "/manifest.json", outDir + "/stacks/*/cdk.tf.json", outDir + "/stacks/*/*.zip"}
)

// codePatterns match the files that the program is built from. A new file in a package's directory matches as well.
func codePatterns(packages []string) []string {
	patterns := []string{"go.mod", "go.sum", "package-lock.json"}
	for _, dir := range packages {
		for _, extension := range []string{"go", "js", "json", "sh"} { // code, and what it embeds
			patterns = append(patterns, filepath.Join(dir, "*."+extension))
		}
	}
	return patterns
}

func unchanged(root string, before files, patterns []string) bool {
	now, err := fingerprint(root, patterns)
	return err == nil && maps.Equal(now, before)
}

func readStamp(root string) (s stamp, ok bool) {
	content, err := os.ReadFile(filepath.Join(root, stampFile))
	return s, err == nil && json.Unmarshal(content, &s) == nil
}

// packageDirs is the directories of the packages of the program, and of the function that it builds, relative to the checkout.
func packageDirs(ctx context.Context, root string) ([]string, error) {
	command := exec.CommandContext(ctx, "go", "list", "-deps", "-f", `{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}`, ".", "./lambda/rotation")
	command.Dir = root
	out, err := command.Output()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errNoGo
	case errors.As(err, &exit):
		return nil, fmt.Errorf("list the program's packages: %s", strings.TrimSpace(string(exit.Stderr)))
	case err != nil:
		return nil, err
	}
	var dirs []string
	for _, dir := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		relative, err := filepath.Rel(root, dir)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, relative)
	}
	return dirs, nil
}

// writeStamp writes a stamp. It records the program and the outputs as they are now.
func writeStamp(root string, s stamp) (err error) {
	if s.Program, err = fingerprint(root, programPatterns); err != nil {
		return err
	}
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
func fingerprint(root string, patterns []string) (files, error) {
	found := files{}
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
			found[file] = fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
		}
	}
	return found, nil
}
