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

// program is what Go packages use of jsii.
type program struct {
	runtime    string    // the file that starts the jsii runtime
	runtimeSum string    // SHA-256 of the runtime's files
	libraries  []library // each after those that it depends on
}

// library is an npm package that a Go module embeds.
type library struct {
	tarball string   // its file, in the Go module
	sum     string   // SHA-256 of the tarball
	modules []string // the Go packages of the module that are imported, without the module's path, sorted
}

// The jsii runtime is part of a Go module, too.
const (
	runtimePackage = "github.com/aws/jsii-runtime-go/internal/embedded"
	runtimeFile    = "resources/bin/jsii-runtime.js"
)

// inspect finds the jsii runtime and the libraries of Go packages. A module that jsii-pacmak made has a package "jsii",
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
		return nil, fmt.Errorf("%s with %s is not among the dependencies: no jsii runtime, or one that is not known", runtimePackage, runtimeFile)
	}
	return p, nil
}

// dependency is a Go package, as go list prints it.
type dependency struct {
	ImportPath, Dir string
	EmbedFiles      []string
}

// listDependencies lists Go packages and what they and their tests import, each after what it imports itself.
func listDependencies(ctx context.Context, dir string, packages []string) ([]dependency, error) {
	command := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-test", "-json=ImportPath,Dir,EmbedFiles"}, packages...)...)
	command.Dir = dir
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		return nil, failure(ctx, "go list", err, lastLine(complaint.String()))
	}
	var all []dependency
	for decoder := json.NewDecoder(&out); ; {
		var d dependency
		if err := decoder.Decode(&d); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, d)
	}
}

// sum is the SHA-256 of the embedded files.
func (d dependency) sum() (string, error) {
	hash := sha256.New()
	for _, file := range d.EmbedFiles {
		if err := copyFile(hash, filepath.Join(d.Dir, filepath.FromSlash(file))); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// key is the name of the folder that is prepared for the program.
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

// failure is the error of a command, in one line: that it was interrupted, or a line of what it complained of.
func failure(ctx context.Context, what string, err error, line string) error {
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
