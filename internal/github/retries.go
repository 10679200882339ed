package github

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	retries   = 3                      // more attempts after the first one
	firstWait = 500 * time.Millisecond // before the second attempt; it doubles with each one
	maxWait   = time.Minute            // if GitHub asks for a longer wait, the request is not repeated
)

// repeatable is the methods whose requests have the same result if GitHub receives them twice. PATCH sets values here. POST
// creates something.
var repeatable = []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete}

// retryingTransport repeats requests that failed for a moment.
func retryingTransport() http.RoundTripper {
	client := retryablehttp.NewClient()
	client.HTTPClient.Timeout = timeout
	client.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // New's client decides
	client.Logger = nil
	client.RetryMax = retries
	client.CheckRetry = shouldRetry
	client.Backoff = func(_, _ time.Duration, attempt int, response *http.Response) time.Duration {
		if wait, ok := requestedWait(response); ok {
			return wait
		}
		return retryablehttp.DefaultBackoff(firstWait, maxWait, attempt, nil)
	}
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last response has the reason
	return &retryablehttp.RoundTripper{Client: client}
}

// shouldRetry reports whether a request is sent again: after a network error, 502 or 503 if it is repeatable, and after a rate
// limit in any case, because GitHub has not processed it.
func shouldRetry(ctx context.Context, response *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		var failed *url.Error
		if !errors.As(err, &failed) || !slices.Contains(repeatable, strings.ToUpper(failed.Op)) {
			return false, nil
		}
		return retryablehttp.DefaultRetryPolicy(ctx, nil, err) // not after an invalid certificate, for example
	}
	if wait, ok := requestedWait(response); ok && wait > maxWait {
		return false, nil
	}
	isUnavailable := response.StatusCode == http.StatusBadGateway || response.StatusCode == http.StatusServiceUnavailable
	return isRateLimited(response) || isUnavailable && slices.Contains(repeatable, response.Request.Method), nil
}

// isRateLimited reports whether a response is that of an exceeded rate limit: 429, or 403 with the time of the next attempt
// (https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit).
func isRateLimited(response *http.Response) bool {
	_, hasWait := requestedWait(response)
	return response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusForbidden && hasWait
}

// requestedWait is how long GitHub asks to wait: Retry-After, or until X-RateLimit-Reset if no request remains. ok is false if it
// does not ask.
func requestedWait(response *http.Response) (wait time.Duration, ok bool) {
	if response == nil || response.StatusCode < 400 {
		return 0, false
	}
	if seconds, err := strconv.ParseInt(response.Header.Get("Retry-After"), 10, 32); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(response.Header.Get("Retry-After")); err == nil {
		return max(0, time.Until(at)), true
	}
	if response.Header.Get("X-RateLimit-Remaining") != "0" {
		return 0, false
	}
	reset, err := strconv.ParseInt(response.Header.Get("X-RateLimit-Reset"), 10, 64)
	return max(0, time.Until(time.Unix(reset, 0))), err == nil
}
