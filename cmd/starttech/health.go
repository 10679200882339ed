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

	"github.com/starttech/infrastructure/config"
)

const (
	// An instance gets backend.warmupSeconds to boot, 300 by default, and a distribution takes minutes to change at
	// all its edges; but the deploy has waited for both. What is left is instances that are being replaced.
	healthBudget = 5 * time.Minute
	// CloudFront keeps an error for ten seconds
	// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html).
	healthInterval = 10 * time.Second
	// Longer than an answer from the API may take to be of use to anybody.
	healthTimeout = 10 * time.Second
)

// health asks the deployed site until it answers: first the API behind it, then the page.
func (p *project) health(ctx context.Context, name string) error {
	if isBootstrap(name) {
		return fmt.Errorf("%s has no site; name an environment", name)
	}
	environment, outputs, err := p.outputsOf(ctx, name)
	if err != nil {
		return err
	}
	site, err := outputOf(name, outputs, "site_url")
	if err != nil {
		return err
	}
	check := siteCheck{interval: healthInterval, budget: healthBudget, out: os.Stdout}
	return check.run(ctx, site, environment.LoadBalancer.HealthCheckPath, environment.Frontend.APIPaths)
}

// siteCheck asks a site until it answers.
type siteCheck struct {
	interval time.Duration // between two requests
	budget   time.Duration // for all of them
	out      io.Writer     // what a person sees

	transport http.RoundTripper // nil: the network
}

// run asks for the path of the health check, where the site forwards it to the API, and for the page. A page that is
// not there is no failure: the application's pipeline has not published it yet.
func (c siteCheck) run(ctx context.Context, site, path string, apiPaths []string) error {
	until := time.Now().Add(c.budget)
	if slices.ContainsFunc(apiPaths, func(pattern string) bool { return config.MatchesPath(pattern, path) }) {
		if _, err := c.await(ctx, until, site+path, http.StatusOK); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s%s answers.\n", site, path)
	} else {
		fmt.Fprintf(c.out, "note: the API is not asked: loadBalancer.healthCheckPath, %s, is not among frontend.apiPaths\n", path)
	}
	status, err := c.await(ctx, until, site+"/", http.StatusOK, http.StatusForbidden, http.StatusNotFound)
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

// await asks an address until it answers with one of the wanted codes, at least once.
func (c siteCheck) await(ctx context.Context, until time.Time, address string, wanted ...int) (status int, err error) {
	begin, said := time.Now(), ""
	for {
		status, err := c.ask(ctx, address)
		if slices.Contains(wanted, status) {
			return status, nil
		}
		got := "answers " + statusText(status)
		if err != nil {
			got = "does not answer (" + err.Error() + ")"
		}
		switch {
		case ctx.Err() != nil:
			return 0, fmt.Errorf("interrupted: %s %s", address, got)
		case time.Now().Add(c.interval).After(until):
			return 0, fmt.Errorf(`%s %s, not %s, after %s of asking: see "Nothing in the logs, or 502" in docs/runbook.md`,
				address, got, statusText(wanted[0]), time.Since(begin).Round(time.Second))
		}
		if got != said { // once, not every ten seconds
			fmt.Fprintf(c.out, "%s %s; asking again for %s\n", address, got, time.Until(until).Round(time.Second))
			said = got
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.interval):
		}
	}
}

// ask is the code of one answer. A redirect is an answer too: neither the API nor the page should give one.
func (c siteCheck) ask(ctx context.Context, address string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{
		Transport:     c.transport,
		Timeout:       healthTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	var failed *url.Error
	if errors.As(err, &failed) {
		return 0, failed.Err // the address stands in the message already
	} else if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}
