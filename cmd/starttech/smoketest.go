package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/local"
)

const (
	// The deploy has waited for the distribution, the first instances and the end of an instance refresh. What is left is an instance
	// that replaces an unhealthy one: it has backend.warmupSeconds to boot, 300 by default.
	smokeTestTimeout  = 5 * time.Minute
	smokeTestInterval = 10 * time.Second
	// requestTimeout is longer than any useful response takes.
	requestTimeout = 10 * time.Second
)

func newSmokeTestCommand(p *project) *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "smoke-test",
		Short: "Request the deployed site until it answers",
		Long:  "Request the deployed site until it answers, for up to five minutes: first the API's health check, then the page.",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.smokeTest(command.Context(), stack)
		},
	}
	addStackFlag(command, &stack, defaultEnvironment)
	return command
}

func (p *project) smokeTest(ctx context.Context, name string) error {
	if isBootstrap(name) {
		return fmt.Errorf("%s has no site; name an environment", name)
	}
	environment, outputs, err := p.readOutputs(ctx, name)
	if err != nil {
		return err
	}
	site, err := stringOutput(name, outputs, "site_url")
	if err != nil {
		return err
	}
	aws, err := p.callersLocalAWS()
	if err != nil {
		return err
	}
	site, check := newSiteCheck(site, aws, os.Stdout)
	return check.run(ctx, site, environment.LoadBalancer.HealthCheckPath, environment.Frontend.APIPaths)
}

// siteCheck requests a site until it answers.
type siteCheck struct {
	interval time.Duration // between two requests
	timeout  time.Duration // for all requests
	out      io.Writer

	transport http.RoundTripper // nil: the network
}

// newSiteCheck returns a check and the URL of a site as it can be requested: on a local AWS, unless aws is nil.
func newSiteCheck(site string, aws *local.AWS, out io.Writer) (string, siteCheck) {
	check := siteCheck{interval: smokeTestInterval, timeout: smokeTestTimeout, out: out}
	if aws != nil {
		site, check.transport = aws.SiteURL(site), aws.SiteTransport()
	}
	return site, check
}

// run requests the health check path, if the site forwards it to the API, and the page. A missing page is not a failure,
// because the application's pipeline publishes it later.
func (c siteCheck) run(ctx context.Context, site, path string, apiPaths []string) error {
	deadline := time.Now().Add(c.timeout)
	if isForwarded(path, apiPaths) {
		if _, err := c.waitFor(ctx, deadline, site+path, http.StatusOK); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s%s answers.\n", site, path)
	} else {
		fmt.Fprintf(c.out, "note: the API is not tested: loadBalancer.healthCheckPath, %s, is not in frontend.apiPaths\n", path)
	}
	status, err := c.waitFor(ctx, deadline, site+"/", http.StatusOK, http.StatusForbidden, http.StatusNotFound)
	if err != nil {
		return err
	}
	if status == http.StatusOK {
		fmt.Fprintf(c.out, "%s/ answers.\n", site)
	} else {
		fmt.Fprintf(c.out, "note: the frontend is not published yet: %s/ answers %s\n", site, statusText(status))
	}
	return nil
}

// isForwarded reports whether the site forwards a path to the API. It answers others from the bucket.
func isForwarded(path string, apiPaths []string) bool {
	return slices.ContainsFunc(apiPaths, func(pattern string) bool { return config.MatchesPath(pattern, path) })
}

// waitFor requests a URL until the response has one of the wanted codes, at least once.
func (c siteCheck) waitFor(ctx context.Context, deadline time.Time, url string, wanted ...int) (status int, err error) {
	begin := time.Now()
	printed, printedAt := "", begin
	for {
		status, err := c.get(ctx, url)
		if slices.Contains(wanted, status) {
			return status, nil
		}
		got := "answers " + statusText(status)
		if err != nil {
			got = "does not answer (" + err.Error() + ")"
		}
		switch {
		case ctx.Err() != nil:
			return 0, fmt.Errorf("interrupted: %s %s", url, got)
		case time.Now().Add(c.interval).After(deadline):
			return 0, fmt.Errorf(`%s %s, not %s, after %s: see "Nothing in the logs, or 502" in docs/runbook.md`,
				url, got, statusText(wanted[0]), time.Since(begin).Round(time.Second))
		}
		// A change is printed at once, and the same answer once a minute.
		if got != printed || time.Since(printedAt) >= time.Minute {
			fmt.Fprintf(c.out, "%s %s; trying again for %s\n", url, got, time.Until(deadline).Round(time.Second))
			printed, printedAt = got, time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.interval):
		}
	}
}

// get is the status code of one response. A redirect is not followed: neither the API nor the page should redirect.
func (c siteCheck) get(ctx context.Context, address string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{
		Transport:     c.transport,
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	var failed *url.Error
	if errors.As(err, &failed) {
		return 0, failed.Err // the caller prints the URL
	} else if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}
