// Package release builds, loads and pushes images of the backend.
package release

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/starttech/infrastructure/local"
)

// The platforms of images.
var (
	// ThisMachine is for the local AWS, which runs images on this machine.
	ThisMachine = v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
	// Instances is for AWS, whose instance types in the environment files are x86_64.
	Instances = v1.Platform{OS: "linux", Architecture: "amd64"}
)

// BuildImage builds a Go program for a platform, and returns an image with nothing else in it. The same sources make the same image.
func BuildImage(ctx context.Context, root, program string, platform v1.Platform) (v1.Image, error) {
	dir, err := os.MkdirTemp("", "starttech-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "backend")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, program)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS="+platform.OS, "GOARCH="+platform.Architecture)
	if output, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build %s: %w\n%s", program, err, bytes.TrimSpace(output))
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return programImage(content, platform)
}

// programImage returns an image of one program, which runs as the user 65532 in /app.
func programImage(program []byte, platform v1.Platform) (v1.Image, error) {
	var files bytes.Buffer
	writer := tar.NewWriter(&files)
	for _, header := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "app/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "app/backend", Mode: 0o755, Size: int64(len(program))},
	} {
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
	}
	if _, err := writer.Write(program); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = platform.OS, platform.Architecture
	config.Config = v1.Config{Entrypoint: []string{"/app/backend"}, WorkingDir: "/app", User: "65532:65532"}
	return mutate.ConfigFile(image, config)
}

// LoadImage returns an image from a file that docker save has written, or from a registry, with the credentials of docker login.
func LoadImage(ctx context.Context, source string) (v1.Image, error) {
	information, err := os.Stat(source)
	isPath := strings.HasPrefix(source, ".") || filepath.IsAbs(source) || filepath.Ext(source) == ".tar"
	switch {
	case err == nil && information.Mode().IsRegular():
		image, err := tarball.ImageFromPath(source, nil)
		if err != nil {
			return nil, fmt.Errorf("image %q is not a file of docker save: %w", source, err)
		}
		return image, nil
	case isPath && errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("image %q: there is no such file", source)
	}
	reference, err := name.ParseReference(source)
	if err != nil {
		return nil, fmt.Errorf("image %q is neither a file of docker save nor the name of an image: %w", source, err)
	}
	image, err := remote.Image(reference, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(ThisMachine))
	if err != nil {
		return nil, fmt.Errorf("image %q is not a file, and its registry does not return it: %w", source, err)
	}
	return image, nil
}

// Tag is the tag of an image: 40 hexadecimal digits, as of a commit. It depends on the image's content only.
func Tag(image v1.Image) (string, error) {
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	return digest.Hex[:40], nil
}

// Push pushes an image to an ECR repository, whose registry is at the AWS endpoint, or on AWS if the endpoint is empty. Tags are immutable,
// so it does nothing if the tag exists. The password is that of the user AWS.
func Push(ctx context.Context, repository, password, endpoint string, image v1.Image, tag string) error {
	reference, err := name.NewTag(repository + ":" + tag)
	if err != nil {
		return err
	}
	transport := remote.DefaultTransport
	if endpoint != "" {
		transport = local.RegistryTransport(endpoint)
	}
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(transport),
		remote.WithAuth(&authn.Basic{Username: "AWS", Password: password}),
	}
	if _, err := remote.Head(reference, options...); err == nil {
		return nil
	}
	if err := remote.Write(reference, image, options...); err != nil {
		return fmt.Errorf("push %s: %w", strings.TrimPrefix(reference.String(), "https://"), err)
	}
	return nil
}
