package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	repository  = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/backend"
	password    = "password-of-the-registry"
	accessKey   = "ASIAROLEOFTHEINSTANCE"
	metadataURL = "/_local/imds/secret"
)

// fakeAWS is an AWS endpoint with a real registry, the instance metadata service and two calls of CloudWatch Logs.
type fakeAWS struct {
	*httptest.Server
	registry  http.Handler
	isCorrupt bool // the registry changes a byte of each layer

	mu   sync.Mutex
	logs strings.Builder // "GROUP STREAM MESSAGE", one per line
}

func newFakeAWS(t *testing.T) *fakeAWS {
	t.Helper()
	a := &fakeAWS{registry: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	push(t, a, newImage(t))
	return a
}

func (a *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, isMetadata := strings.CutPrefix(r.URL.Path, metadataURL+"/latest/")
	switch {
	case isMetadata:
		serveMetadata(w, r, path)
	case strings.HasPrefix(r.URL.Path, "/v2/"):
		a.serveRegistry(w, r)
	default:
		a.serveLogs(w, r)
	}
}

// serveMetadata implements IMDSv2:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
func serveMetadata(w http.ResponseWriter, r *http.Request, path string) {
	switch {
	case r.Method == http.MethodPut && path == "api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		fmt.Fprint(w, "token")
	case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token":
		w.WriteHeader(http.StatusUnauthorized)
	case path == "meta-data/iam/security-credentials/":
		fmt.Fprint(w, "role")
	case path == "meta-data/iam/security-credentials/role":
		fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}`, accessKey)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (a *fakeAWS) serveRegistry(w http.ResponseWriter, r *http.Request) {
	if user, given, _ := r.BasicAuth(); user != "AWS" || given != password || r.Host+"/backend" != repository {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !a.isCorrupt || !strings.Contains(r.URL.Path, "/blobs/") {
		a.registry.ServeHTTP(w, r)
		return
	}
	recorder := httptest.NewRecorder()
	a.registry.ServeHTTP(recorder, r)
	body := recorder.Body.Bytes()
	if len(body) > 1024 { // a layer, not the configuration
		body[len(body)/2]++
	}
	_, _ = w.Write(body)
}

func (a *fakeAWS) serveLogs(w http.ResponseWriter, r *http.Request) {
	var call struct {
		LogGroupName, LogStreamName string
		LogEvents                   []struct{ Message string }
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil || !strings.Contains(r.Header.Get("Authorization"), accessKey+"/") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, event := range call.LogEvents {
		fmt.Fprintln(&a.logs, call.LogGroupName, call.LogStreamName, event.Message)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	fmt.Fprint(w, "{}")
}

func (a *fakeAWS) logLines() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.logs.String()
}

// newImage returns an image with the test application, which runs as user app in /srv.
func newImage(t *testing.T) v1.Image {
	t.Helper()
	program, err := os.ReadFile(application)
	must(t, err)
	image, err := mutate.AppendLayers(empty.Image, newLayer(t,
		&tar.Header{Name: "srv/", Typeflag: tar.TypeDir, Mode: 0o755}, "",
		&tar.Header{Name: "srv/application", Typeflag: tar.TypeReg, Mode: 0o755}, string(program),
		&tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644}, "app:x:1234:5678::/srv:/none\n",
	))
	must(t, err)
	file, err := image.ConfigFile()
	must(t, err)
	file.OS, file.Architecture = runtime.GOOS, runtime.GOARCH
	file.Config = v1.Config{Entrypoint: []string{"/srv/application"}, WorkingDir: "/srv", User: "app", Env: []string{"BASE=image"}}
	image, err = mutate.ConfigFile(image, file)
	must(t, err)
	return image
}

// newLayer returns a layer with entries: a *tar.Header and the content, for each.
func newLayer(t *testing.T, entries ...any) v1.Layer {
	t.Helper()
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for i := 0; i < len(entries); i += 2 {
		header, content := entries[i].(*tar.Header), entries[i+1].(string)
		header.Size, header.Uid, header.Gid = int64(len(content)), os.Getuid(), os.Getgid()
		must(t, writer.WriteHeader(header))
		_, err := io.WriteString(writer, content)
		must(t, err)
	}
	must(t, writer.Close())
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	must(t, err)
	return layer
}

// push pushes an image with the tag v1, without the endpoint's authentication.
func push(t *testing.T, a *fakeAWS, image v1.Image) {
	t.Helper()
	server := httptest.NewServer(a.registry)
	defer server.Close()
	reference, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/backend:v1")
	must(t, err)
	must(t, remote.Write(reference, image))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
