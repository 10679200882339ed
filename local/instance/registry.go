package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/starttech/infrastructure/local"
)

// RoundTrip sends a request of a registry to the emulator.
func (e engine) RoundTrip(request *http.Request) (*http.Response, error) {
	return local.RegistryTransport(e.Endpoint).RoundTrip(request)
}

// logIn checks a password and stores it in config.json in $DOCKER_CONFIG, or in ~/.docker:
// https://docs.docker.com/reference/cli/docker/#docker-cli-configuration-file-configjson-properties
func (e engine) logIn(host, user string, stdin io.Reader) error {
	password, err := io.ReadAll(stdin)
	if err != nil {
		return err
	}
	credentials := user + ":" + strings.TrimRight(string(password), "\r\n")
	auth := base64.StdEncoding.EncodeToString([]byte(credentials))
	request, err := http.NewRequest(http.MethodGet, "https://"+host+"/v2/", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Basic "+auth)
	response, err := e.RoundTrip(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("login attempt to https://%s/v2/ failed with status: %s", host, response.Status)
	}

	directory := os.Getenv("DOCKER_CONFIG")
	if directory == "" {
		directory = filepath.Join(os.Getenv("HOME"), ".docker")
	}
	content, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": auth}}})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(directory, "config.json"), content, 0o600); err != nil {
		return err
	}
	fmt.Println("Login Succeeded")
	return nil
}

// store returns the pulled images, in an OCI layout. The name of an image is an annotation.
func (e engine) store() (layout.Path, error) {
	directory := e.path("var/lib/docker/images")
	store, err := layout.FromPath(directory)
	if errors.Is(err, os.ErrNotExist) {
		return layout.Write(directory, empty.Index)
	}
	return store, err
}

const nameAnnotation = "org.opencontainers.image.ref.name"

// pull copies an image from its registry to the store. go-containerregistry verifies the digests.
func (e engine) pull(reference name.Reference) (v1.Image, error) {
	// A container is a process of this machine, so its program must be for this machine.
	platform := v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
	image, err := remote.Image(reference,
		remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(e), remote.WithPlatform(platform))
	if err != nil {
		return nil, err
	}
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	annotations := map[string]string{nameAnnotation: reference.Name()}
	return image, store.ReplaceImage(image, match.Name(reference.Name()), layout.WithAnnotations(annotations))
}

// local returns an image of the store.
func (e engine) local(reference name.Reference) (v1.Image, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	index, err := store.ImageIndex()
	if err != nil {
		return nil, err
	}
	images, err := partial.FindImages(index, match.Name(reference.Name()))
	if err == nil && len(images) == 0 {
		err = fmt.Errorf("no such image: %s; pull it first", reference)
	}
	if err != nil {
		return nil, err
	}
	return images[0], nil
}
