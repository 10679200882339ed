// The tests use a fake server (githubtest). They check what package github sends and how it handles responses, but not how
// GitHub itself responds.
package github_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/starttech/infrastructure/internal/github"
	"github.com/starttech/infrastructure/internal/github/githubtest"
)

const (
	repository = "starttech/infrastructure"
	marker     = "<!-- starttech plan production -->"
)

func start(t *testing.T) (*githubtest.Server, *github.Client) {
	t.Helper()
	server := githubtest.Start(t, repository)
	return server, client(t, githubtest.Token, server.URL)
}

func client(t *testing.T, token, api string) *github.Client {
	t.Helper()
	c, err := github.New(token, api)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestPullRequestHasOneCommentPerMarker(t *testing.T) {
	server, c := start(t)
	must(t, c.Comment(t.Context(), repository, 12, marker, "82 to add"))
	equal(t, "the comment", server.Comments[0].Body, marker+"\n82 to add")

	must(t, c.Comment(t.Context(), repository, 12, marker, "1 to change"))
	equal(t, "the comment after an update", server.Comments[0].Body, marker+"\n1 to change")

	must(t, c.Comment(t.Context(), repository, 12, "<!-- starttech plan staging -->", "nothing"))
	equal(t, "comments", len(server.Comments), 2)
	equal(t, "requests that changed something", server.Changes(), []string{
		"POST /repos/starttech/infrastructure/issues/12/comments",
		"PATCH /repos/starttech/infrastructure/issues/comments/1000",
		"POST /repos/starttech/infrastructure/issues/12/comments",
	})
}

func TestUnchangedCommentIsNotUpdated(t *testing.T) {
	for name, stored := range map[string]string{
		"exactly as sent":       marker + "\na\nb\n",
		"without final newline": marker + "\na\nb",
		"with CRLF line breaks": marker + "\r\na\r\nb\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			server, c := start(t)
			server.Comments = []*githubtest.Comment{{ID: 7, User: githubtest.WorkflowUser, Body: stored, Issue: 12}}
			must(t, c.Comment(t.Context(), repository, 12, marker, "a\nb\n"))
			equal(t, "requests that changed something", len(server.Changes()), 0)
		})
	}
}

func TestCommentIsFoundOnALaterPage(t *testing.T) {
	server, c := start(t)
	for i := range 250 {
		server.Comments = append(server.Comments, &githubtest.Comment{ID: int64(i), User: githubtest.WorkflowUser, Body: fmt.Sprint("review ", i), Issue: 12})
	}
	server.Comments[230].Body = marker + "\nold"
	must(t, c.Comment(t.Context(), repository, 12, marker, "new"))
	equal(t, "the comment", server.Comments[230].Body, marker+"\nnew")
	equal(t, "comments", len(server.Comments), 250)
}

func TestCommentsWithoutTheMarkerAreNotChanged(t *testing.T) {
	server, c := start(t)
	others := []string{"Look at this: " + marker, "> " + marker + "\nquoted", "<!-- starttech plan staging -->\nnothing"}
	for i, body := range others {
		server.Comments = append(server.Comments, &githubtest.Comment{ID: int64(i), User: githubtest.WorkflowUser, Body: body, Issue: 12})
	}
	server.Issues = append(server.Issues, &githubtest.Issue{Number: 13, State: "open"})
	server.Comments = append(server.Comments, &githubtest.Comment{ID: 99, User: githubtest.WorkflowUser, Body: marker + "\nof another pull request", Issue: 13})

	must(t, c.Comment(t.Context(), repository, 12, marker, "new"))
	for i, body := range append(others, marker+"\nof another pull request") {
		equal(t, "another comment", server.Comments[i].Body, body)
	}
	equal(t, "the new comment", *server.Comments[4], githubtest.Comment{ID: 1004, User: githubtest.WorkflowUser, Body: marker + "\nnew", Issue: 12})
}

// otherUsers are not workflows: package github ignores their comments and issues, even with the marker.
var otherUsers = []githubtest.User{{Login: "somebody"}, {Login: "github-actions"}, {Login: "dependabot[bot]"}, {}}

func TestCommentOfAnotherUserIsNotChanged(t *testing.T) {
	server, c := start(t)
	for i, user := range otherUsers {
		server.Comments = append(server.Comments, &githubtest.Comment{ID: int64(i), User: user, Body: marker + "\nforged", Issue: 12})
	}
	must(t, c.Comment(t.Context(), repository, 12, marker, "forged")) // even with the same body
	must(t, c.Comment(t.Context(), repository, 12, marker, "new"))
	for i, user := range otherUsers {
		equal(t, "a comment of another user", *server.Comments[i], githubtest.Comment{ID: int64(i), User: user, Body: marker + "\nforged", Issue: 12})
	}
	equal(t, "comments", len(server.Comments), len(otherUsers)+1)
	equal(t, "our comment", server.Comments[len(otherUsers)].Body, marker+"\nnew")
	equal(t, "requests that changed something", server.Changes(), []string{
		"POST /repos/starttech/infrastructure/issues/12/comments",
		"PATCH /repos/starttech/infrastructure/issues/comments/1004",
	})
}

const driftMarker = "<!-- starttech drift production -->"

func TestChangedFileIsFoundOnALaterPage(t *testing.T) {
	server, c := start(t)
	for i := range 250 {
		server.Files = append(server.Files, githubtest.File{Name: fmt.Sprint("file", i), Status: "modified", URL: fmt.Sprint("https://github.com/", i)})
	}
	server.Files[3].Status = "removed"
	for file, want := range map[string]string{"file240": "https://github.com/240", "file3": "", "file250": ""} {
		got, err := c.ChangedFile(t.Context(), repository, 12, file)
		must(t, err)
		equal(t, "the address of "+file, got, want)
	}
	_, err := c.ChangedFile(t.Context(), repository, 99, "file1")
	expect(t, err, "list the files of "+repository+"#99: the pull request does not exist, or the token cannot access it (404 Not Found): "+
		"check GITHUB_REPOSITORY and GITHUB_REF")
}

func TestIssueIsOpenedUpdatedClosedAndOpenedAgain(t *testing.T) {
	server, c := start(t)
	open := func(body string) {
		t.Helper()
		must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", body))
	}

	open("one change")
	equal(t, "the issue", *server.Issues[1], githubtest.Issue{Number: 101, State: "open", User: githubtest.WorkflowUser, Title: "Drift in production", Body: driftMarker + "\none change"})
	open("one change")
	open("two changes")
	equal(t, "its body after an update", server.Issues[1].Body, driftMarker+"\ntwo changes")

	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))
	equal(t, "its state", server.Issues[1].State, "closed")
	equal(t, "the comment on it", *server.Comments[0], githubtest.Comment{ID: 1000, User: githubtest.WorkflowUser, Body: "Nothing is left of it.", Issue: 101})
	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))

	open("three changes")
	equal(t, "the closed issue", server.Issues[1].Body, driftMarker+"\ntwo changes")
	equal(t, "the new issue", *server.Issues[2], githubtest.Issue{Number: 102, State: "open", User: githubtest.WorkflowUser, Title: "Drift in production", Body: driftMarker + "\nthree changes"})
	equal(t, "requests that changed something", server.Changes(), []string{
		"POST /repos/starttech/infrastructure/issues",
		"PATCH /repos/starttech/infrastructure/issues/101",
		"POST /repos/starttech/infrastructure/issues/101/comments",
		"PATCH /repos/starttech/infrastructure/issues/101",
		"POST /repos/starttech/infrastructure/issues",
	})
}

func TestOnlyAnOpenIssueWithTheMarkerIsChanged(t *testing.T) {
	server, c := start(t)
	server.Issues = []*githubtest.Issue{
		{Number: 1, State: "closed", User: githubtest.WorkflowUser, Body: driftMarker + "\nclosed"},
		{Number: 2, State: "open", User: githubtest.WorkflowUser, Body: driftMarker + "\na pull request", PullRequest: &struct{}{}},
		{Number: 3, State: "open", User: githubtest.WorkflowUser, Body: "quotes " + driftMarker},
	}
	for i := range 150 {
		server.Issues = append(server.Issues, &githubtest.Issue{Number: 1000 + i, State: "open", Body: "another"})
	}
	before := make([]githubtest.Issue, len(server.Issues))
	for i, issue := range server.Issues {
		before[i] = *issue
	}
	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))
	equal(t, "requests that changed something", len(server.Changes()), 0)
	must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", "new"))
	for i, issue := range before {
		equal(t, "an existing issue", *server.Issues[i], issue)
	}
	equal(t, "the new issue", server.Issues[len(before)].Body, driftMarker+"\nnew")

	must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", "newer")) // it is on the second page
	equal(t, "its body after an update", server.Issues[len(before)].Body, driftMarker+"\nnewer")
}

func TestIssueOfAnotherUserIsNotChanged(t *testing.T) {
	server, c := start(t)
	server.Issues = nil
	for i, user := range otherUsers {
		server.Issues = append(server.Issues, &githubtest.Issue{Number: i + 1, State: "open", User: user, Title: "Drift in production", Body: driftMarker + "\nforged"})
	}
	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))
	equal(t, "requests that changed something", len(server.Changes()), 0)

	must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", "forged")) // even with the same body
	must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", "new"))
	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))
	for i, user := range otherUsers {
		equal(t, "an issue of another user", *server.Issues[i], githubtest.Issue{Number: i + 1, State: "open", User: user, Title: "Drift in production", Body: driftMarker + "\nforged"})
	}
	equal(t, "issues", len(server.Issues), len(otherUsers)+1)
	equal(t, "our issue", *server.Issues[len(otherUsers)], githubtest.Issue{
		Number: 104, State: "closed", User: githubtest.WorkflowUser, Title: "Drift in production", Body: driftMarker + "\nnew",
	})
	equal(t, "the issue with the comment", server.Comments[0].Issue, 104)
}

func TestTooLongBodyIsNotSent(t *testing.T) {
	server, c := start(t)
	for length, want := range map[int]string{
		65536 - len(marker) - 1: "",
		65536 - len(marker):     "comment on starttech/infrastructure#12: the body has 65537 characters; allowed: at most 65536",
	} {
		expect(t, c.Comment(t.Context(), repository, 12, marker, strings.Repeat("ü", length)), want)
	}
	equal(t, "comments", len(server.Comments), 1)
	expect(t, c.OpenIssue(t.Context(), repository, marker, "Drift in production", strings.Repeat("x", 70000)),
		`open the issue "Drift in production" in starttech/infrastructure: the body has 70035 characters; allowed: at most 65536`)
	equal(t, "requests that changed something", len(server.Changes()), 1)
}

var (
	variables = map[string]string{"AWS_REGION": "eu-west-1", "SITE_URL": "https://d111111abcdef8.cloudfront.net"}
	secrets   = map[string]string{"RELEASE_ROLE": "arn:aws:iam::123456789012:role/starttech-production-release"}
)

func TestPublishCreatesEnvironmentVariablesAndSecrets(t *testing.T) {
	server, c := start(t)
	must(t, c.Publish(t.Context(), repository, "production", variables, secrets))
	equal(t, "the environment", *server.Environments["production"], githubtest.Environment{Variables: variables, Secrets: secrets})
	equal(t, "requests", server.Requests, []string{
		"GET /repos/starttech/infrastructure/environments/production",
		"PUT /repos/starttech/infrastructure/environments/production",
		"GET /repos/starttech/infrastructure/environments/production/variables?per_page=30",
		"POST /repos/starttech/infrastructure/environments/production/variables",
		"POST /repos/starttech/infrastructure/environments/production/variables",
		"GET /repos/starttech/infrastructure/environments/production/secrets/public-key",
		"PUT /repos/starttech/infrastructure/environments/production/secrets/RELEASE_ROLE",
	})
	for _, body := range server.Bodies {
		if strings.Contains(body, "123456789012") {
			t.Errorf("a secret is not encrypted: %s", body)
		}
	}
}

func TestPublishChangesOnlyWhatDiffers(t *testing.T) {
	server, c := start(t)
	existing := map[string]string{"AWS_REGION": "eu-west-1", "SITE_URL": "https://old.example.com", "ZZ_OTHER": "unchanged"}
	for i := range 70 { // fill the pages before the last one
		existing[fmt.Sprintf("AA_%02d", i)] = "unchanged"
	}
	server.Environments["production"] = &githubtest.Environment{
		Reviewers: []string{"the-release-manager"}, Variables: existing, Secrets: map[string]string{"OTHER": "unchanged"},
	}
	must(t, c.Publish(t.Context(), repository, "production", variables, secrets))

	environment := server.Environments["production"]
	equal(t, "reviewers", environment.Reviewers, []string{"the-release-manager"})
	equal(t, "a changed variable", environment.Variables["SITE_URL"], variables["SITE_URL"])
	equal(t, "another variable", environment.Variables["ZZ_OTHER"], "unchanged")
	equal(t, "another secret", environment.Secrets["OTHER"], "unchanged")
	equal(t, "requests that changed something", server.Changes(), []string{
		"PATCH /repos/starttech/infrastructure/environments/production/variables/SITE_URL",
		"PUT /repos/starttech/infrastructure/environments/production/secrets/RELEASE_ROLE",
	})
}

func TestSecretIsEncryptedDifferentlyEachTime(t *testing.T) {
	server, c := start(t)
	for range 2 {
		must(t, c.Publish(t.Context(), repository, "production", nil, secrets))
	}
	sent := map[string]bool{}
	for i, request := range server.Requests {
		if strings.HasSuffix(request, "/secrets/RELEASE_ROLE") {
			sent[server.Bodies[i]] = true
		}
	}
	equal(t, "different encrypted values", len(sent), 2)
}

// expect checks the text of an error; want is empty if there must be no error.
func expect(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(got, githubtest.Token) {
		t.Error("the error contains the token")
	}
}

func TestErrorHasTheActionToTake(t *testing.T) {
	const publishNeeds = "it needs a fine-grained token for that repository with Actions: read and Environments: write, and, if the environment does not exist yet, Administration: write"
	comment := func(t *testing.T, c *github.Client) error {
		return c.Comment(t.Context(), repository, 12, marker, "new")
	}
	open := func(t *testing.T, c *github.Client) error {
		return c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", "new")
	}
	publish := func(t *testing.T, c *github.Client) error {
		return c.Publish(t.Context(), repository, "production", variables, secrets)
	}
	always := func(status int, message string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			githubtest.RespondError(w, status, message)
			return true
		}
	}
	writing := func(status int, message string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				githubtest.RespondError(w, status, message)
			}
			return r.Method != http.MethodGet
		}
	}

	for name, test := range map[string]struct {
		do      func(*testing.T, *github.Client) error
		respond func(http.ResponseWriter, *http.Request) bool
		want    string
	}{
		"an unknown token": {
			do: comment, respond: always(401, "Bad credentials"),
			want: "comment on starttech/infrastructure#12: GitHub rejects the token (401 Unauthorized: Bad credentials): it is wrong or has expired; create another",
		},
		"a token without permission to comment": {
			do: comment, respond: writing(403, "Resource not accessible by integration"),
			want: "comment on starttech/infrastructure#12: the token has no access (403 Forbidden: Resource not accessible by integration): the job needs permissions: pull-requests: write, which GitHub never grants to a pull request from a fork",
		},
		"a pull request that does not exist": {
			do: func(t *testing.T, c *github.Client) error {
				return c.Comment(t.Context(), repository, 99, marker, "new")
			},
			want: "comment on starttech/infrastructure#99: the pull request does not exist, or the token cannot access it (404 Not Found): check GITHUB_REPOSITORY and GITHUB_REF",
		},
		"a token without permission to open issues": {
			do: open, respond: writing(403, "Resource not accessible by integration"),
			want: `open the issue "Drift in production" in starttech/infrastructure: the token has no access (403 Forbidden: Resource not accessible by integration): the job needs permissions: issues: write`,
		},
		"a repository with issues disabled": {
			do: open, respond: always(410, "Issues are disabled for this repo"),
			want: `open the issue "Drift in production" in starttech/infrastructure: the repository has issues disabled (410 Gone: Issues are disabled for this repo): enable them in its settings`,
		},
		"a repository that the token cannot access": {
			do: publish, respond: always(404, "Not Found"),
			want: "publish to starttech/infrastructure: the token has no access (404 Not Found): " + publishNeeds,
		},
		"a token without permission to create an environment": {
			do: publish, respond: writing(403, "Resource not accessible by personal access token"),
			want: "publish to starttech/infrastructure: the token has no access (403 Forbidden: Resource not accessible by personal access token): " + publishNeeds,
		},
		"a value that GitHub rejects": {
			do: publish,
			respond: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprint(w, `{"message": "Validation Failed", "errors": [{"code": "custom", "message": "value is\ntoo long"}]}`)
				return true
			},
			want: "publish to starttech/infrastructure: GitHub rejects the request (422 Unprocessable Entity: Validation Failed: value is too long)",
		},
		"an invalid public key": {
			do: publish,
			respond: func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/public-key") {
					return false
				}
				fmt.Fprint(w, `{"key_id": "1", "key": "c2hvcnQ="}`)
				return true
			},
			want: "publish to starttech/infrastructure: the environment's public key is not 32 bytes in base64",
		},
		"a server error": {
			do: comment, respond: always(500, "Server Error"),
			want: "comment on starttech/infrastructure#12: GitHub returned a server error (500 Internal Server Error: Server Error): run it again",
		},
		"a locked conversation": {
			do: comment, respond: writing(403, "Unable to create comment because issue is locked."),
			want: "comment on starttech/infrastructure#12: the conversation is locked (403 Forbidden: Unable to create comment because issue is locked.): unlock it",
		},
		"an archived repository": {
			do: publish, respond: writing(403, "Repository was archived so is read-only."),
			want: "publish to starttech/infrastructure: the repository is archived (403 Forbidden: Repository was archived so is read-only.): unarchive it in its settings",
		},
		"a rate limit with a long wait": {
			do: comment,
			respond: func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "120")
				githubtest.RespondError(w, http.StatusTooManyRequests, "Too many requests")
				return true
			},
			want: "comment on starttech/infrastructure#12: the token has exceeded a rate limit (429 Too Many Requests: Too many requests): run it again in 2m0s",
		},
		"a rate limit with another status": {
			do: comment,
			respond: func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "61")
				githubtest.RespondError(w, http.StatusForbidden, "Slow down")
				return true
			},
			want: "comment on starttech/infrastructure#12: the token has exceeded a rate limit (403 Forbidden: Slow down): run it again in 1m1s",
		},
		"a redirect to another server": {
			do: comment,
			respond: func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "https://example.com/", http.StatusMovedPermanently)
				return true
			},
			want: "comment on starttech/infrastructure#12: GitHub cannot be reached at API (it redirects to https://example.com): check the network and GITHUB_API_URL",
		},
		"an exceeded rate limit": {
			do: comment,
			respond: func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("X-RateLimit-Remaining", "0")
				w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Date(2030, 1, 2, 15, 4, 0, 0, time.UTC).Unix()))
				githubtest.RespondError(w, http.StatusForbidden, "API rate limit exceeded for installation ID 1")
				return true
			},
			want: "comment on starttech/infrastructure#12: the token has exceeded its rate limit until 15:04 UTC: run it again after that",
		},
		"an exceeded secondary rate limit": {
			do: comment,
			respond: func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "90")
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `{"message": "You have exceeded a secondary rate limit", "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`)
				return true
			},
			want: "comment on starttech/infrastructure#12: the token has exceeded a secondary rate limit: run it again in 1m30s",
		},
		"an invalid repository": {
			do: func(t *testing.T, c *github.Client) error {
				return c.Publish(t.Context(), "starttech", "production", nil, nil)
			},
			want: `"starttech" is not a GitHub repository: want owner/name`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := start(t)
			server.Intercept = test.respond
			expect(t, test.do(t, c), strings.ReplaceAll(test.want, " API ", " "+server.URL+"/ "))
		})
	}
}

// breakConnection closes the connection of a request without a response.
func breakConnection(w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		connection.Close()
	}
}

// The first attempts fail, and the next one reaches GitHub.
func TestRequestIsRepeatedIfItMayBe(t *testing.T) {
	t.Parallel()
	respond := func(status int, headers ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			githubtest.RespondError(w, status, "not now")
		}
	}
	inASecond := fmt.Sprint(time.Now().Add(time.Second).Unix())
	for name, test := range map[string]struct {
		method   string // whose requests fail
		failures int
		fail     func(http.ResponseWriter)
		again    bool
	}{
		"502 to GET":                    {"GET", 2, respond(502), true},
		"503 to PATCH":                  {"PATCH", 1, respond(503), true},
		"503 to GET with a wait":        {"GET", 1, respond(503, "Retry-After", "1"), true},
		"broken connection of GET":      {"GET", 3, breakConnection, true},
		"broken connection of PATCH":    {"PATCH", 1, breakConnection, true},
		"429 to POST":                   {"POST", 1, respond(429, "Retry-After", "1"), true},
		"429 to GET without a wait":     {"GET", 1, respond(429), true},
		"403 to GET, rate limited":      {"GET", 1, respond(403, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", inASecond), true},
		"502 to POST":                   {"POST", 1, respond(502), false},
		"broken connection of POST":     {"POST", 1, breakConnection, false},
		"502 to GET, too often":         {"GET", 4, respond(502), false},
		"500 to GET":                    {"GET", 1, respond(500), false},
		"403 to GET":                    {"GET", 1, respond(403), false},
		"503 to GET with a long wait":   {"GET", 1, respond(503, "Retry-After", "61"), false},
		"403 to GET until another hour": {"GET", 1, respond(403, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "4102444800"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, c := start(t)
			if test.method == "PATCH" {
				server.Comments = []*githubtest.Comment{{ID: 7, User: githubtest.WorkflowUser, Body: marker + "\nold", Issue: 12}}
			}
			failed := 0
			server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != test.method || failed == test.failures {
					return false
				}
				failed++
				test.fail(w)
				return true
			}
			if err := c.Comment(t.Context(), repository, 12, marker, "new"); (err == nil) != test.again {
				t.Errorf("got error %v", err)
			}
			comments := 0
			for _, comment := range server.Comments {
				if comment.Body == marker+"\nnew" {
					comments++
				}
			}
			want := 0
			if test.again {
				want = 1
			}
			equal(t, "new comments", comments, want)
		})
	}
}

func TestErrorNamesAServerThatIsNotGitHub(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") }))
	defer page.Close()
	expect(t, client(t, githubtest.Token, page.URL).Comment(t.Context(), repository, 12, marker, "new"),
		"comment on starttech/infrastructure#12: the server at "+page.URL+"/ is not GitHub's API (invalid character '<' looking for beginning of value): check GITHUB_API_URL")

	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	err := client(t, githubtest.Token, closed.URL).Comment(t.Context(), repository, 12, marker, "new")
	for _, part := range []string{"comment on starttech/infrastructure#12: GitHub cannot be reached at " + closed.URL + "/ (dial tcp ", "connection refused): check the network and GITHUB_API_URL"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want it to contain %q", err, part)
		}
	}
}

func TestNewChecksTokenAndURL(t *testing.T) {
	for name, test := range map[string]struct{ token, api, want string }{
		"a token and the default URL":     {token: "x"},
		"a token with a newline":          {token: "x\n"},
		"the URL of an Enterprise Server": {token: "x", api: "https://github.example.com/api/v3"},
		"no token":                        {want: "the GitHub token is empty"},
		"a token of spaces":               {token: " \n", want: "the GitHub token is empty"},
		"a URL without a scheme":          {token: "x", api: "api.github.com", want: `GITHUB_API_URL: "api.github.com" is not a URL such as https://api.github.com`},
		"a URL with another scheme":       {token: "x", api: "ftp://api.github.com", want: `GITHUB_API_URL: "ftp://api.github.com" is not a URL such as https://api.github.com`},
		"a URL without encryption":        {token: "x", api: "http://api.github.com", want: `GITHUB_API_URL: "http://api.github.com" is not a URL such as https://api.github.com`},
		"a server on this machine":        {token: "x", api: "http://127.0.0.1:8080"},
		"a name of this machine":          {token: "x", api: "http://127.0.0.1.example.com", want: `GITHUB_API_URL: "http://127.0.0.1.example.com" is not a URL such as https://api.github.com`},
		"a string that is not a URL":      {token: "x", api: "https://a b", want: `GITHUB_API_URL: "https://a b" is not a URL such as https://api.github.com`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := github.New(test.token, test.api)
			expect(t, err, test.want)
		})
	}
}

func TestNewlineAfterTheTokenIsIgnored(t *testing.T) {
	server := githubtest.Start(t, repository)
	must(t, client(t, githubtest.Token+"\n", server.URL).Comment(t.Context(), repository, 12, marker, "new"))
	if !slices.Contains(server.Requests, "POST /repos/starttech/infrastructure/issues/12/comments") {
		t.Error("the comment was not created")
	}
}

func TestMissingSettingsAreListed(t *testing.T) {
	t.Parallel()
	want := github.Settings{
		Environments: []string{"production", "staging"}, Reviewed: []string{"production"}, Check: "passed",
		Owned: []string{"/.github/", "/modules/githubroles/"}, IsCalled: true,
	}
	setRule := func(parameter string, value any) func(*githubtest.Server) {
		return func(s *githubtest.Server) {
			s.Rules.([]any)[0].(map[string]any)["parameters"].(map[string]any)[parameter] = value
		}
	}
	owners := func(text string) func(*githubtest.Server) { return func(s *githubtest.Server) { s.Owners = text } }
	for name, test := range map[string]struct {
		change func(*githubtest.Server)
		want   []string
	}{
		"all settings":           {func(*githubtest.Server) {}, nil},
		"no approval":            {setRule("required_approving_review_count", 0), []string{"a change of main needs no approval: required_approving_review_count is to be 1"}},
		"stale approvals":        {setRule("dismiss_stale_reviews_on_push", false), []string{"a push keeps the approvals of a pull request: dismiss_stale_reviews_on_push is to be true"}},
		"approval of the pusher": {setRule("require_last_push_approval", false), []string{"who pushed last may approve: require_last_push_approval is to be true"}},
		"no code owner":          {setRule("require_code_owner_review", false), []string{"code owners need not approve: require_code_owner_review is to be true"}},
		"no rules": {func(s *githubtest.Server) { s.Rules = []any{} }, []string{
			"a change of main needs no approval: required_approving_review_count is to be 1",
			"a push keeps the approvals of a pull request: dismiss_stale_reviews_on_push is to be true",
			"who pushed last may approve: require_last_push_approval is to be true",
			"code owners need not approve: require_code_owner_review is to be true",
			"a change of main does not need the check passed: required_status_checks is to have it",
			"main can be deleted: it needs the rule deletion",
			"main can be overwritten: it needs the rule non_fast_forward",
		}},
		"workflows approve": {func(s *githubtest.Server) {
			s.WorkflowPermissions = map[string]any{"default_workflow_permissions": "write", "can_approve_pull_request_reviews": true}
		}, []string{
			"workflows may approve pull requests: can_approve_pull_request_reviews is to be false",
			"the token of a workflow may write by default: default_workflow_permissions is to be read",
		}},
		"private, and not called by others": {func(s *githubtest.Server) { s.IsPrivate, s.AccessLevel = true, "none" }, []string{
			"it is private, and no other repository may call its workflows: access_level is to be organization or user",
		}},
		"private, and called by others": {func(s *githubtest.Server) { s.IsPrivate, s.AccessLevel = true, "organization" }, nil},
		"no file of owners":             {owners(""), []string{"main has no .github/CODEOWNERS"}},
		"owners of the directories":     {owners("/.github/ @a\n/modules/ @b # all of them\n"), nil},
		"no owner of a directory":       {owners("/.github/ @a\n"), []string{".github/CODEOWNERS has no owner of /modules/githubroles/"}},
		"owner that is taken away":      {owners("* @a\n/modules/\n"), []string{".github/CODEOWNERS has no owner of /modules/githubroles/"}},
		"owner of a file taken away":    {owners("* @a\n/.github/workflows/deploy.yml\n"), []string{".github/CODEOWNERS has no owner of /.github/"}},
		"owner of a kind of file taken away": {owners("* @a\n*.go\n"), []string{
			".github/CODEOWNERS has no owner of /.github/", ".github/CODEOWNERS has no owner of /modules/githubroles/",
		}},
		"owner of another directory taken away": {owners("* @a\n/docs/\n/README.md\n"), nil},
		"another directory's owner":             {owners("/.github/ @a\n/modules/githubroles-old/ @b\n"), []string{".github/CODEOWNERS has no owner of /modules/githubroles/"}},
		"owner who may not write":               {func(s *githubtest.Server) { s.OwnerErrors = []string{"Unknown owner on line 1:\n  * @nobody"} }, []string{".github/CODEOWNERS:1: Unknown owner on line 1:"}},
		"no environment":                        {func(s *githubtest.Server) { delete(s.Environments, "staging") }, []string{"there is no environment staging"}},
		"environment of all branches":           {func(s *githubtest.Server) { s.Environments["staging"].Branches = nil }, []string{"the environment staging is not for the branch main only: its branches are []"}},
		"environment of two branches":           {func(s *githubtest.Server) { s.Environments["production"].Branches = []string{"main", "release/*"} }, []string{`the environment production is not for the branch main only: its branches are ["main" "release/*"]`}},
		"no reviewer":                           {func(s *githubtest.Server) { s.Environments["production"].Reviewers = nil }, []string{"the environment production has no reviewer"}},
		"no reviewer of staging":                {func(s *githubtest.Server) { s.Environments["staging"].Reviewers = nil }, nil},
		"review of oneself":                     {func(s *githubtest.Server) { s.Environments["production"].SelfReview = true }, []string{"who starts a deployment to production may approve it: prevent_self_review is to be true"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := start(t)
			server.Protect("production", "staging")
			test.change(server)
			got, err := c.CheckSettings(t.Context(), repository, want)
			must(t, err)
			var lines []string
			for _, line := range test.want {
				lines = append(lines, repository+": "+line)
			}
			equal(t, "missing settings", got, lines)
			equal(t, "requests that changed something", len(server.Changes()), 0)
		})
	}
}

func TestUnreadableSettingsAreAnError(t *testing.T) {
	t.Parallel()
	server, c := start(t)
	server.Protect("production")
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/actions/permissions/workflow") {
			return false
		}
		githubtest.RespondError(w, http.StatusForbidden, "Resource not accessible by personal access token")
		return true
	}
	_, err := c.CheckSettings(t.Context(), repository, github.Settings{})
	expect(t, err, "read the settings of starttech/infrastructure: the token has no access (403 Forbidden: Resource not accessible by personal "+
		"access token): it needs a token for that repository with Actions: read, Administration: read and Contents: read")
}
