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

// refused puts a failure into one line: what was to be done and where, what GitHub answered, what to do about it. The
// right is what a token needs for it. nil stays nil.
func (c *Client) refused(doing, right string, err error) error {
	if err == nil {
		return nil
	}
	var limit *gh.RateLimitError
	var pace *gh.AbuseRateLimitError
	var answer *gh.ErrorResponse
	var unreachable *url.Error
	var notJSON *json.SyntaxError
	switch {
	case errors.As(err, &limit):
		return fmt.Errorf("%s: the token's requests are used up until %s: run it again after that", doing, limit.Rate.Reset.UTC().Format("15:04 UTC"))
	case errors.As(err, &pace):
		wait := time.Minute // what GitHub recommends where it names no time
		if pace.RetryAfter != nil {
			wait = pace.RetryAfter.Round(time.Second)
		}
		return fmt.Errorf("%s: GitHub asks for fewer requests: run it again in %s", doing, wait)
	case errors.As(err, &answer):
		return errors.New(doing + ": " + advice(answer, right))
	case errors.As(err, &unreachable):
		return fmt.Errorf("%s: GitHub cannot be reached at %s (%s): check the network and GITHUB_API_URL", doing, c.api.BaseURL(), oneLine(unreachable.Err.Error()))
	case errors.As(err, &notJSON):
		return fmt.Errorf("%s: what answers at %s is not GitHub's API (%w): check GITHUB_API_URL", doing, c.api.BaseURL(), err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// advice is what GitHub answered and what to do about it.
func advice(answer *gh.ErrorResponse, right string) string {
	code := answer.Response.StatusCode
	said := fmt.Sprintf("%d %s", code, http.StatusText(code))
	if message := oneLine(answer.Message); message != "" && message != http.StatusText(code) {
		said += ": " + message
	}
	for _, detail := range answer.Errors {
		if detail.Message != "" {
			said += ": " + oneLine(detail.Message)
		}
	}
	switch {
	case code == http.StatusUnauthorized:
		return fmt.Sprintf("GitHub does not take the token (%s): it is wrong or has expired; make another", said)
	case code == http.StatusForbidden || code == http.StatusNotFound:
		return fmt.Sprintf("the token cannot write there (%s): %s", said, right)
	case code == http.StatusGone:
		return fmt.Sprintf("the repository has no issues (%s): switch them on in its settings", said)
	case code >= http.StatusInternalServerError:
		return fmt.Sprintf("GitHub fails (%s): run it again", said)
	}
	return fmt.Sprintf("GitHub refuses (%s)", said)
}

// status is the code that GitHub answered with; 0 where it is no answer of GitHub's.
func status(err error) int {
	var answer *gh.ErrorResponse
	if errors.As(err, &answer) {
		return answer.Response.StatusCode
	}
	return 0
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
