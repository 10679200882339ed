package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	gh "github.com/google/go-github/v90/github"
)

// explain returns an error of one line: the action that failed, GitHub's response, and what to do about it. permissions are
// those that the token needs for the action. explain returns nil if err is nil.
func (c *Client) explain(action, permissions string, err error) error {
	if err == nil {
		return nil
	}
	var primary *gh.RateLimitError
	var secondary *gh.AbuseRateLimitError
	var response *gh.ErrorResponse
	var unreachable *url.Error
	var notJSON *json.SyntaxError
	switch {
	case errors.As(err, &primary):
		return fmt.Errorf("%s: the token has exceeded its rate limit until %s: run it again after that", action, primary.Rate.Reset.UTC().Format("15:04 UTC"))
	case errors.As(err, &secondary):
		wait := time.Minute // GitHub's recommendation for a response without Retry-After
		if secondary.RetryAfter != nil {
			wait = secondary.RetryAfter.Round(time.Second)
		}
		return fmt.Errorf("%s: the token has exceeded a secondary rate limit: run it again in %s", action, wait)
	case errors.As(err, &response):
		return errors.New(action + ": " + explainResponse(response, permissions))
	case errors.As(err, &unreachable):
		return fmt.Errorf("%s: GitHub cannot be reached at %s (%s): check the network and GITHUB_API_URL", action, c.api.BaseURL(), oneLine(unreachable.Err.Error()))
	case errors.As(err, &notJSON):
		return fmt.Errorf("%s: the server at %s is not GitHub's API (%w): check GITHUB_API_URL", action, c.api.BaseURL(), err)
	}
	return fmt.Errorf("%s: %w", action, err)
}

// explainResponse returns GitHub's response and what to do about it.
func explainResponse(response *gh.ErrorResponse, permissions string) string {
	code := response.Response.StatusCode
	status := fmt.Sprintf("%d %s", code, http.StatusText(code))
	if message := oneLine(response.Message); message != "" && message != http.StatusText(code) {
		status += ": " + message
	}
	for _, detail := range response.Errors {
		if detail.Message != "" {
			status += ": " + oneLine(detail.Message)
		}
	}
	switch {
	case code == http.StatusUnauthorized:
		return fmt.Sprintf("GitHub rejects the token (%s): it is wrong or has expired; create another", status)
	case isRateLimited(response.Response):
		wait := time.Minute
		if requested, ok := requestedWait(response.Response); ok {
			wait = requested.Round(time.Second)
		}
		return fmt.Sprintf("the token has exceeded a rate limit (%s): run it again in %s", status, wait)
	case code == http.StatusForbidden && strings.Contains(response.Message, "is locked"): // https://github.com/renovatebot/renovate/issues/6215
		return fmt.Sprintf("the conversation is locked (%s): unlock it", status)
	case code == http.StatusForbidden && strings.Contains(response.Message, "archived"): // https://github.com/r-universe-org/help/issues/247
		return fmt.Sprintf("the repository is archived (%s): unarchive it in its settings", status)
	case code == http.StatusForbidden || code == http.StatusNotFound:
		return fmt.Sprintf("the token has no access (%s): %s", status, permissions)
	case code == http.StatusGone:
		return fmt.Sprintf("the repository has issues disabled (%s): enable them in its settings", status)
	case code >= http.StatusInternalServerError:
		return fmt.Sprintf("GitHub returned a server error (%s): run it again", status)
	}
	return fmt.Sprintf("GitHub rejects the request (%s)", status)
}

// statusCode returns the status code of GitHub's response; 0 if the error is not a response.
func statusCode(err error) int {
	var response *gh.ErrorResponse
	if errors.As(err, &response) {
		return response.Response.StatusCode
	}
	return 0
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
