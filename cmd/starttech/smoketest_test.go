package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starttech/infrastructure/config"
)

const site = "https://d111111abcdef8.cloudfront.net"

// codes answers a path with its codes one after the other, and stays at the last one.
type codes map[string][]int

func (c codes) RoundTrip(r *http.Request) (*http.Response, error) {
	left := c[r.URL.Path]
	if len(left) == 0 {
		return nil, errors.New("unexpected request for " + r.URL.Path)
	}
	if len(left) > 1 {
		c[r.URL.Path] = left[1:]
	}
	header := http.Header{"Location": {"/elsewhere"}}
	return &http.Response{StatusCode: left[0], Header: header, Body: http.NoBody, Request: r}, nil
}

// everyMinute is the line that repeats an answer.
func everyMinute(answer string, left ...string) string {
	text := ""
	for _, each := range left {
		text += answer + "; trying again for " + each + "\n"
	}
	return text
}

func TestSmokeTest(t *testing.T) {
	for name, test := range map[string]struct {
		path  string // of the health check; empty: /ping
		site  codes
		said  string
		fails string
		took  time.Duration
	}{
		"a site that answers": {
			site: codes{"/ping": {200}, "/": {200}},
			said: "SITE/ping answers.\nSITE/ answers.\n",
		},
		"a page that is not published": {
			site: codes{"/ping": {200}, "/": {403}},
			said: "SITE/ping answers.\nnote: the frontend is not published yet: SITE/ answers 403 Forbidden\n",
		},
		"a page that was removed": {
			site: codes{"/ping": {200}, "/": {404}},
			said: "SITE/ping answers.\nnote: the frontend is not published yet: SITE/ answers 404 Not Found\n",
		},
		"an API that needs a while": {
			site: codes{"/ping": {502, 502, 503, 200}, "/": {200}},
			said: "SITE/ping answers 502 Bad Gateway; trying again for 5m0s\n" +
				"SITE/ping answers 503 Service Unavailable; trying again for 4m40s\n" +
				"SITE/ping answers.\nSITE/ answers.\n",
			took: 30 * time.Second,
		},
		"an API that never answers": {
			site: codes{"/ping": {502, 504}},
			said: "SITE/ping answers 502 Bad Gateway; trying again for 5m0s\nSITE/ping answers 504 Gateway Timeout; trying again for 4m50s\n" +
				everyMinute("SITE/ping answers 504 Gateway Timeout", "3m50s", "2m50s", "1m50s", "50s"),
			fails: `SITE/ping answers 504 Gateway Timeout, not 200 OK, after 5m0s: see "Nothing in the logs, or 502" in docs/runbook.md`,
			took:  5 * time.Minute,
		},
		"an API that answers just in time, and a page that never does": {
			site: codes{"/ping": append(slices.Repeat([]int{503}, 29), 200), "/": {500}},
			said: everyMinute("SITE/ping answers 503 Service Unavailable", "5m0s", "4m0s", "3m0s", "2m0s", "1m0s") + "SITE/ping answers.\n" +
				"SITE/ answers 500 Internal Server Error; trying again for 10s\n",
			fails: `SITE/ answers 500 Internal Server Error, not 200 OK, after 10s: see "Nothing in the logs, or 502" in docs/runbook.md`,
			took:  5 * time.Minute,
		},
		"an API that redirects": {
			site:  codes{"/ping": {302}, "/elsewhere": {200}},
			said:  everyMinute("SITE/ping answers 302 Found", "5m0s", "4m0s", "3m0s", "2m0s", "1m0s"),
			fails: `SITE/ping answers 302 Found, not 200 OK, after 5m0s: see "Nothing in the logs, or 502" in docs/runbook.md`,
			took:  5 * time.Minute,
		},
		"a health check that the site does not forward": {
			path: "/internal/ready", site: codes{"/": {200}},
			said: "note: the API is not tested: loadBalancer.healthCheckPath, /internal/ready, is not in frontend.apiPaths\nSITE/ answers.\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // five minutes pass at once
				path := cmp.Or(test.path, "/ping")
				var out strings.Builder
				begin := time.Now()
				check := siteCheck{interval: smokeTestInterval, timeout: smokeTestTimeout, out: &out, transport: test.site}
				err := check.run(t.Context(), site, path, config.Default().Frontend.APIPaths)
				if took := time.Since(begin); took != test.took {
					t.Errorf("it took %s, want %s", took, test.took)
				}
				if got, want := out.String(), strings.ReplaceAll(test.said, "SITE", site); got != want {
					t.Errorf("got\n%swant\n%s", got, want)
				}
				got := ""
				if err != nil {
					got = err.Error()
				}
				if want := strings.ReplaceAll(test.fails, "SITE", site); got != want {
					t.Errorf("error %s\nwant  %s", got, want)
				}
			})
		})
	}
}

func TestSmokeTestReportsAnUnreachableSite(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := siteCheck{out: io.Discard}.run(t.Context(), server.URL, "/ping", []string{"/ping"})
	if err == nil || !strings.HasPrefix(err.Error(), server.URL+"/ping does not answer (dial tcp ") || !strings.Contains(err.Error(), "connection refused), not 200 OK") {
		t.Errorf("got %v", err)
	}
}

func TestSmokeTestStopsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer server.Close()
	begin := time.Now()
	err := siteCheck{interval: time.Hour, timeout: 2 * time.Hour, out: io.Discard}.run(ctx, server.URL, "/ping", []string{"/ping"})
	if err == nil || !strings.HasPrefix(err.Error(), "interrupted: "+server.URL+"/ping ") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}
