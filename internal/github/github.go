// Package github writes a pipeline's results to GitHub: a pull request comment, an issue, and the variables and secrets of a
// deployment environment. It also reads the settings of a repository. Each error is one line with the action to take, and does
// not contain the token.
package github

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	gh "github.com/google/go-github/v90/github"
)

// DefaultAPI is the URL of the REST API on github.com.
const DefaultAPI = "https://api.github.com"

// timeout is the time limit of one attempt of a request. GitHub terminates a request after 10 seconds
// (https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api).
const timeout = 30 * time.Second

// Client is a client of GitHub's REST API.
type Client struct {
	api *gh.Client
}

// New returns a client that authenticates with a token. api is the URL of the API, in a workflow the value of
// GITHUB_API_URL; the default is DefaultAPI. New returns an error if either is invalid. The token is sent by HTTPS only, except
// to a server on this machine, as in tests. New sends no request.
func New(token, api string) (*Client, error) {
	token = strings.TrimSpace(token) // a pasted token often ends in a newline
	if token == "" {
		return nil, fmt.Errorf("the GitHub token is empty")
	}
	if api == "" {
		api = DefaultAPI
	}
	address, err := url.Parse(api)
	if err != nil || address.Host == "" || !isPrivate(address) {
		return nil, fmt.Errorf("GITHUB_API_URL: %q is not a URL such as %s", api, DefaultAPI)
	}
	client, err := gh.NewClient(gh.WithAuthToken(token), gh.WithURLs(&api, nil), gh.WithHTTPClient(&http.Client{
		Transport: retryingTransport(),
		// A redirect would send the token to another server.
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if request.URL.Host != via[0].URL.Host || !isPrivate(request.URL) || len(via) > 5 {
				return fmt.Errorf("it redirects to %s://%s", request.URL.Scheme, request.URL.Host)
			}
			return nil
		},
	}))
	if err != nil {
		return nil, fmt.Errorf("GITHUB_API_URL: %w", err)
	}
	return &Client{api: client}, nil
}

// isPrivate reports whether nobody else can read what is sent to a URL: it is HTTPS, or does not leave this machine.
func isPrivate(address *url.URL) bool {
	return address.Scheme == "https" || address.Scheme == "http" && net.ParseIP(address.Hostname()).IsLoopback()
}

// splitRepository returns the owner and the name of a repository.
func splitRepository(repository string) (owner, name string, err error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return "", "", fmt.Errorf("%q is not a GitHub repository: want owner/name", repository)
	}
	return owner, name, nil
}
