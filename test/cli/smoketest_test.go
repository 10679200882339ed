package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestSmokeTestRequestsDeployedSite(t *testing.T) {
	t.Parallel()
	var page atomic.Int64 // status of the page
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ping" {
			w.WriteHeader(int(page.Load()))
		}
	}))
	defer site.Close()
	c := newCheckout(t)
	c.deploy(t, map[string]string{"site_url": site.URL})
	for status, want := range map[int64]string{
		200: "SITE/ping answers.\nSITE/ answers.\n",
		403: "SITE/ping answers.\nnote: the frontend is not published yet: SITE/ answers 403 Forbidden\n", // not published
		404: "SITE/ping answers.\nnote: the frontend is not published yet: SITE/ answers 404 Not Found\n", // removed
	} {
		page.Store(status)
		c.mustRun(t, "smoke-test --env production", strings.ReplaceAll(want, "SITE", site.URL))
	}
}

func TestSmokeTestRepeatsUntilInterrupted(t *testing.T) {
	t.Parallel()
	requested := make(chan struct{}, 100)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		requested <- struct{}{}
	}))
	defer site.Close()
	c := newCheckout(t)
	c.deploy(t, map[string]string{"site_url": site.URL})
	command := c.command(t, "smoke-test --env production")
	stderr, err := command.StderrPipe()
	check(t, err)
	check(t, command.Start())
	<-requested
	check(t, command.Process.Signal(os.Interrupt))
	output, err := io.ReadAll(stderr)
	has(t, "stderr", string(harness.Must(t, output, err)), "interrupted: "+site.URL+"/ping ")
	if err := command.Wait(); err == nil {
		t.Error("it succeeded")
	}
}
