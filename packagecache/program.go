package packagecache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// source is the source code of this package. It is part of the key, because another version may prepare other files.
//
//go:embed *.go
var source embed.FS

// program holds the jsii runtime and the libraries that Go packages use.
type program struct {
	runtime    string    // path of the script that starts the jsii runtime
	runtimeSum string    // SHA-256 of the files of the runtime
	libraries  []library // in the order of go list: each after its dependencies
}

// library is an npm package that a Go module embeds.
type library struct {
	tarball string   // its path, in the Go module
	sum     string   // SHA-256 of the tarball
	modules []string // the imported Go packages of the module, sorted, without the path of the module
}

// The Go package that embeds the jsii runtime, and the script that starts it.
const (
	runtimePackage = "github.com/aws/jsii-runtime-go/internal/embedded"
	runtimeFile    = "resources/bin/jsii-runtime.js"
)

// inspect finds the jsii runtime and the libraries of Go packages. A Go module that jsii-pacmak generated has a package "jsii",
// which embeds the tarball, and a package for each submodule of the library.
func inspect(ctx context.Context, dir string, packages []string) (*program, error) {
	dependencies, err := listDependencies(ctx, dir, packages)
	if err != nil {
		return nil, err
	}
	p := &program{}
	for _, d := range dependencies {
		switch {
		case d.ImportPath == runtimePackage && slices.Contains(d.EmbedFiles, runtimeFile):
			p.runtime = filepath.Join(d.Dir, filepath.FromSlash(runtimeFile))
			p.runtimeSum, err = d.sum()
		case path.Base(d.ImportPath) == "jsii" && len(d.EmbedFiles) == 1 && path.Ext(d.EmbedFiles[0]) == ".tgz":
			l := library{tarball: filepath.Join(d.Dir, d.EmbedFiles[0])}
			module := path.Dir(d.ImportPath)
			for _, other := range dependencies {
				name, found := strings.CutPrefix(other.ImportPath+"/", module+"/")
				if name = strings.TrimSuffix(name, "/"); found && name != "jsii" && path.Base(name) != "internal" {
					l.modules = append(l.modules, name)
				}
			}
			slices.Sort(l.modules)
			l.sum, err = d.sum()
			p.libraries = append(p.libraries, l)
		}
		if err != nil {
			return nil, err
		}
	}
	if p.runtime == "" {
		return nil, fmt.Errorf("no dependency on %s with %s: no jsii runtime, or an unsupported version", runtimePackage, runtimeFile)
	}
	return p, nil
}

// dependency is a Go package in the output of go list.
type dependency struct {
	ImportPath, Dir string
	EmbedFiles      []string
}

// listDependencies lists Go packages and all packages that they and their tests import. Each package follows its imports.
func listDependencies(ctx context.Context, dir string, packages []string) ([]dependency, error) {
	command := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-test", "-json=ImportPath,Dir,EmbedFiles"}, packages...)...)
	command.Dir = dir
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, commandError(ctx, "go list", err, lastLine(stderr.String()))
	}
	var all []dependency
	for decoder := json.NewDecoder(&stdout); ; {
		var d dependency
		if err := decoder.Decode(&d); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, d)
	}
}

// sum returns the SHA-256 of the embedded files.
func (d dependency) sum() (string, error) {
	hash := sha256.New()
	for _, file := range d.EmbedFiles {
		if err := copyFile(hash, filepath.Join(d.Dir, filepath.FromSlash(file))); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// key returns the name of the directory to prepare for the program.
func (p *program) key() string {
	hash := sha256.New()
	hashSource(hash, source)
	fmt.Fprintln(hash, p.runtimeSum)
	for _, library := range p.libraries {
		fmt.Fprintln(hash, library.sum, library.modules)
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// hashSource writes the names and the contents of Go files to hash. It leaves out tests, which go:embed cannot exclude.
func hashSource(hash io.Writer, source fs.FS) {
	files, _ := fs.Glob(source, "*.go") // fails only for a malformed pattern
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		content, _ := fs.ReadFile(source, file) // an embedded file
		fmt.Fprintf(hash, "%s %d\n%s", file, len(content), content)
	}
}

func copyFile(to io.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(to, file)
	return err
}

// commandError returns the error of a command with a line of its output, or the error of ctx if that has ended.
func commandError(ctx context.Context, what string, err error, line string) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case line != "":
		return fmt.Errorf("%s: %w: %s", what, err, line)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndex(text, "\n")+1:]
}
