// Package build builds the Lambda functions: always the same bytes of the same code.
package build

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Function is a deployment package.
type Function struct {
	Zip  []byte
	Hash string // SHA-256 in base64, as Lambda and Terraform have it
}

// Runtime and Architecture of the functions. The local AWS runs them as processes, so the architecture is that of most machines.
const (
	Runtime      = "provided.al2023"
	Architecture = "x86_64"
)

// variables are everything in the environment that changes what Go builds. The toolchain is added to them.
// https://pkg.go.dev/cmd/go#hdr-Environment_variables
var variables = []string{
	"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOFLAGS=-mod=readonly", "GOWORK=off", "GO111MODULE=on", "GOEXPERIMENT=",
	"GOFIPS140=off",
}

var toolchain = regexp.MustCompile(`(?m)^toolchain (go\S+)$`)

// Rotation builds the function in lambda/rotation of the checkout in root. Go downloads the toolchain of go.mod if the machine has another
// one.
func Rotation(ctx context.Context, root string) (f Function, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("build lambda/rotation: %w", err)
		}
	}()
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return Function{}, err
	}
	pinned := toolchain.FindSubmatch(module)
	if pinned == nil {
		return Function{}, errors.New("go.mod has no line toolchain")
	}
	dir, err := os.MkdirTemp("", "lambda-")
	if err != nil {
		return Function{}, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "bootstrap")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-pgo=off", "-tags=lambda.norpc", "-ldflags=-s -w -buildid=", "-o", program, "./lambda/rotation")
	command.Dir = root
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // so that go removes its temporary files
	command.WaitDelay = 10 * time.Second
	command.Env = append(slices.Concat(os.Environ(), variables), "GOTOOLCHAIN="+string(pinned[1]))
	out, err := command.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return Function{}, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return Function{}, errors.New("go is not on PATH: install Go (https://go.dev/dl)")
	case err != nil:
		return Function{}, fmt.Errorf("%w: %s", err, lastLine(out))
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return Function{}, err
	}
	return pack(content)
}

// pack is a deployment package with the program. It is not compressed: another version of Go's compressor may write other bytes.
func pack(program []byte) (Function, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Store, Modified: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(0o755)
	file, err := archive.CreateHeader(header)
	if err != nil {
		return Function{}, err
	}
	if _, err := file.Write(program); err != nil {
		return Function{}, err
	}
	if err := archive.Close(); err != nil {
		return Function{}, err
	}
	sum := sha256.Sum256(out.Bytes())
	return Function{Zip: out.Bytes(), Hash: base64.StdEncoding.EncodeToString(sum[:])}, nil
}

func lastLine(out []byte) string {
	text := strings.TrimSpace(string(out))
	return text[strings.LastIndex(text, "\n")+1:]
}
