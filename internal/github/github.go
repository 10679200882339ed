// Package github writes what a pipeline has to say to GitHub: a comment on a pull request, an issue, the variables and
// secrets of an environment. Every failure is one line that says what to do; none holds the token.
package github

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	gh "github.com/google/go-github/v90/github"
)

// API is GitHub's own; an Enterprise Server has another.
const API = "https://api.github.com"

// timeout is for one request. GitHub itself ends a request after 10 seconds
// (https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api).
const timeout = 30 * time.Second

// Client talks to GitHub's REST API.
type Client struct {
	api *gh.Client
}

// New is a client with a token. The address of the API is GITHUB_API_URL's in a workflow; empty, it is API. The error
// says what is wrong with either; nothing is sent yet.
func New(token, api string) (*Client, error) {
	token = strings.TrimSpace(token) // a pasted token often brings a line's end along
	if token == "" {
		return nil, fmt.Errorf("the token for GitHub is empty")
	}
	if api == "" {
		api = API
	}
	address, err := url.Parse(api)
	if err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" {
		return nil, fmt.Errorf("GITHUB_API_URL: %q is not an address such as %s", api, API)
	}
	client, err := gh.NewClient(gh.WithAuthToken(token), gh.WithURLs(&api, nil), gh.WithTimeout(timeout))
	if err != nil {
		return nil, fmt.Errorf("GITHUB_API_URL: %w", err)
	}
	return &Client{api: client}, nil
}

// split is the owner and the name of a repository.
func split(repository string) (owner, name string, err error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return "", "", fmt.Errorf("%q is not a GitHub repository, owner/name", repository)
	}
	return owner, name, nil
}
