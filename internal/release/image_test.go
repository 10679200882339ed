package release

import (
	"archive/tar"
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newImage(t *testing.T, program string) v1.Image {
	t.Helper()
	image, err := programImage([]byte(program), ThisMachine)
	check(t, err)
	return image
}

func tag(t *testing.T, image v1.Image) string {
	t.Helper()
	found, err := Tag(image)
	check(t, err)
	return found
}

func TestTagDependsOnContent(t *testing.T) {
	first := tag(t, newImage(t, "a program"))
	if len(first) != 40 || first != tag(t, newImage(t, "a program")) || first == tag(t, newImage(t, "another program")) {
		t.Errorf("the tag %q has not 40 digits, or does not depend on the content", first)
	}
}

func TestImageHasOneProgram(t *testing.T) {
	image := newImage(t, "a program")
	files := mutate.Extract(image)
	defer files.Close()
	var names []string
	for reader := tar.NewReader(files); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		check(t, err)
		names = append(names, header.Name)
	}
	if !slices.Equal(names, []string{"app", "app/backend"}) {
		t.Errorf("the files are %q", names)
	}
	config, err := image.ConfigFile()
	check(t, err)
	if got := config.Config; got.User != "65532:65532" || got.WorkingDir != "/app" || !slices.Equal(got.Entrypoint, []string{"/app/backend"}) {
		t.Errorf("the configuration is %+v", got)
	}
}

func TestPushKeepsTheRegistryName(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	const repository = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/starttech-production-backend"
	image := newImage(t, "a program")
	for range 2 { // the second push finds the tag
		check(t, Push(t.Context(), repository, "", server.URL, image, tag(t, image)))
	}
	reference, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/starttech-production-backend:" + tag(t, image))
	check(t, err)
	pushed, err := remote.Image(reference)
	check(t, err)
	if tag(t, pushed) != tag(t, image) {
		t.Error("the registry has another image")
	}
}

func TestPushRefusesRegistryOutsideAWS(t *testing.T) {
	image := newImage(t, "a program")
	want := "registry registry.example.com does not exist on the local AWS; it has ACCOUNT.dkr.ecr.REGION.amazonaws.com"
	if err := Push(t.Context(), "registry.example.com/backend", "", "http://127.0.0.1:1", image, tag(t, image)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestLoadImage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "image.tar")
	image := newImage(t, "a program")
	reference, err := name.NewTag("application:1")
	check(t, err)
	check(t, tarball.WriteToFile(file, reference, image))
	loaded, err := LoadImage(t.Context(), file)
	check(t, err)
	want, err := image.ConfigName()
	check(t, err)
	if got, err := loaded.ConfigName(); err != nil || got != want {
		t.Errorf("%v %v, want %v", got, err, want)
	}

	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	for source, message := range map[string]string{
		"image_test.go": `image "image_test.go" is not a file of docker save: `,
		"Not An Image":  `image "Not An Image" is neither a file of docker save nor the name of an image: `,
		strings.TrimPrefix(server.URL, "http://") + "/missing:1": "NAME_UNKNOWN",
	} {
		if _, err := LoadImage(t.Context(), source); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %q", source, err, message)
		}
	}
}
