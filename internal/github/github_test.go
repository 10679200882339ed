// A server plays GitHub here (githubtest). What is claimed is what package github sends and what it makes of an answer;
// what GitHub itself answers is not claimed.
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

func TestAPullRequestHasOneCommentOfAMarker(t *testing.T) {
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

func TestACommentThatSaysTheSameIsNotWrittenAgain(t *testing.T) {
	for name, kept := range map[string]string{
		"as it was sent":         marker + "\na\nb\n",
		"without its last line":  marker + "\na\nb",
		"with Windows line ends": marker + "\r\na\r\nb\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			server, c := start(t)
			server.Comments = []*githubtest.Comment{{ID: 7, User: githubtest.Workflow, Body: kept, Issue: 12}}
			must(t, c.Comment(t.Context(), repository, 12, marker, "a\nb\n"))
			equal(t, "requests that changed something", len(server.Changes()), 0)
		})
	}
}

func TestTheCommentIsFoundBehindManyOthers(t *testing.T) {
	server, c := start(t)
	for i := range 250 {
		server.Comments = append(server.Comments, &githubtest.Comment{ID: int64(i), User: githubtest.Workflow, Body: fmt.Sprint("review ", i), Issue: 12})
	}
	server.Comments[230].Body = marker + "\nold"
	must(t, c.Comment(t.Context(), repository, 12, marker, "new"))
	equal(t, "the comment", server.Comments[230].Body, marker+"\nnew")
	equal(t, "comments", len(server.Comments), 250)
}

func TestForeignCommentsAreNotTouched(t *testing.T) {
	server, c := start(t)
	foreign := []string{"Look at this: " + marker, "> " + marker + "\nquoted", "<!-- starttech plan staging -->\nnothing"}
	for i, body := range foreign {
		server.Comments = append(server.Comments, &githubtest.Comment{ID: int64(i), User: githubtest.Workflow, Body: body, Issue: 12})
	}
	server.Issues = append(server.Issues, &githubtest.Issue{Number: 13, State: "open"})
	server.Comments = append(server.Comments, &githubtest.Comment{ID: 99, User: githubtest.Workflow, Body: marker + "\nof another pull request", Issue: 13})

	must(t, c.Comment(t.Context(), repository, 12, marker, "new"))
	for i, body := range append(foreign, marker+"\nof another pull request") {
		equal(t, "a foreign comment", server.Comments[i].Body, body)
	}
	equal(t, "the new comment", *server.Comments[4], githubtest.Comment{ID: 1004, User: githubtest.Workflow, Body: marker + "\nnew", Issue: 12})
}

// strangers are authors of what is not ours, whatever it says.
var strangers = []githubtest.User{{Login: "somebody"}, {Login: "github-actions"}, {Login: "dependabot[bot]"}, {}}

func TestACommentWithTheMarkerThatSomebodyElseWroteIsNotTaken(t *testing.T) {
	server, c := start(t)
	for i, stranger := range strangers {
		server.Comments = append(server.Comments, &githubtest.Comment{ID: int64(i), User: stranger, Body: marker + "\nforged", Issue: 12})
	}
	must(t, c.Comment(t.Context(), repository, 12, marker, "forged")) // not even where it says the same
	must(t, c.Comment(t.Context(), repository, 12, marker, "new"))
	for i, stranger := range strangers {
		equal(t, "a foreign comment", *server.Comments[i], githubtest.Comment{ID: int64(i), User: stranger, Body: marker + "\nforged", Issue: 12})
	}
	equal(t, "comments", len(server.Comments), len(strangers)+1)
	equal(t, "our comment", server.Comments[len(strangers)].Body, marker+"\nnew")
	equal(t, "requests that changed something", server.Changes(), []string{
		"POST /repos/starttech/infrastructure/issues/12/comments",
		"PATCH /repos/starttech/infrastructure/issues/comments/1004",
	})
}

const driftMarker = "<!-- starttech drift production -->"

func TestAnIssueIsOpenedUpdatedClosedAndOpenedAnew(t *testing.T) {
	server, c := start(t)
	open := func(body string) {
		t.Helper()
		must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", body))
	}

	open("one change")
	equal(t, "the issue", *server.Issues[1], githubtest.Issue{Number: 101, State: "open", User: githubtest.Workflow, Title: "Drift in production", Body: driftMarker + "\none change"})
	open("one change")
	open("two changes")
	equal(t, "its body after an update", server.Issues[1].Body, driftMarker+"\ntwo changes")

	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))
	equal(t, "its state", server.Issues[1].State, "closed")
	equal(t, "the comment on it", *server.Comments[0], githubtest.Comment{ID: 1000, User: githubtest.Workflow, Body: "Nothing is left of it.", Issue: 101})
	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))

	open("three changes")
	equal(t, "the closed issue", server.Issues[1].Body, driftMarker+"\ntwo changes")
	equal(t, "the new issue", *server.Issues[2], githubtest.Issue{Number: 102, State: "open", User: githubtest.Workflow, Title: "Drift in production", Body: driftMarker + "\nthree changes"})
	equal(t, "requests that changed something", server.Changes(), []string{
		"POST /repos/starttech/infrastructure/issues",
		"PATCH /repos/starttech/infrastructure/issues/101",
		"POST /repos/starttech/infrastructure/issues/101/comments",
		"PATCH /repos/starttech/infrastructure/issues/101",
		"POST /repos/starttech/infrastructure/issues",
	})
}

func TestOnlyAnOpenIssueWithTheMarkerIsTaken(t *testing.T) {
	server, c := start(t)
	server.Issues = []*githubtest.Issue{
		{Number: 1, State: "closed", User: githubtest.Workflow, Body: driftMarker + "\nclosed"},
		{Number: 2, State: "open", User: githubtest.Workflow, Body: driftMarker + "\na pull request", PullRequest: &struct{}{}},
		{Number: 3, State: "open", User: githubtest.Workflow, Body: "quotes " + driftMarker},
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
		equal(t, "an issue that was there", *server.Issues[i], issue)
	}
	equal(t, "the new issue", server.Issues[len(before)].Body, driftMarker+"\nnew")

	must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", "newer")) // it is on the second page
	equal(t, "its body after an update", server.Issues[len(before)].Body, driftMarker+"\nnewer")
}

func TestAnIssueWithTheMarkerThatSomebodyElseWroteIsNotTaken(t *testing.T) {
	server, c := start(t)
	server.Issues = nil
	for i, stranger := range strangers {
		server.Issues = append(server.Issues, &githubtest.Issue{Number: i + 1, State: "open", User: stranger, Title: "Drift in production", Body: driftMarker + "\nforged"})
	}
	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))
	equal(t, "requests that changed something", len(server.Changes()), 0)

	must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", "forged")) // not even where it says the same
	must(t, c.OpenIssue(t.Context(), repository, driftMarker, "Drift in production", "new"))
	must(t, c.CloseIssue(t.Context(), repository, driftMarker, "Nothing is left of it."))
	for i, stranger := range strangers {
		equal(t, "a foreign issue", *server.Issues[i], githubtest.Issue{Number: i + 1, State: "open", User: stranger, Title: "Drift in production", Body: driftMarker + "\nforged"})
	}
	equal(t, "issues", len(server.Issues), len(strangers)+1)
	equal(t, "our issue", *server.Issues[len(strangers)], githubtest.Issue{
		Number: 104, State: "closed", User: githubtest.Workflow, Title: "Drift in production", Body: driftMarker + "\nnew",
	})
	equal(t, "the issue that is commented", server.Comments[0].Issue, 104)
}

func TestATextThatGitHubDoesNotTakeIsNotSent(t *testing.T) {
	server, c := start(t)
	for length, want := range map[int]string{
		65536 - len(marker) - 1: "",
		65536 - len(marker):     "comment on starttech/infrastructure#12: the text has 65537 characters; GitHub takes 65536",
	} {
		expect(t, c.Comment(t.Context(), repository, 12, marker, strings.Repeat("ü", length)), want)
	}
	equal(t, "comments", len(server.Comments), 1)
	expect(t, c.OpenIssue(t.Context(), repository, marker, "Drift in production", strings.Repeat("x", 70000)),
		`open the issue "Drift in production" in starttech/infrastructure: the text has 70035 characters; GitHub takes 65536`)
	equal(t, "requests that changed something", len(server.Changes()), 1)
}

var (
	variables = map[string]string{"AWS_REGION": "eu-west-1", "SITE_URL": "https://d111111abcdef8.cloudfront.net"}
	secrets   = map[string]string{"RELEASE_ROLE": "arn:aws:iam::123456789012:role/starttech-production-release"}
)

func TestPublishMakesAnEnvironmentWithItsVariablesAndSecrets(t *testing.T) {
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
			t.Errorf("a secret is sent in clear: %s", body)
		}
	}
}

func TestPublishLeavesAloneWhatIsThereAndRight(t *testing.T) {
	server, c := start(t)
	theirs := map[string]string{"AWS_REGION": "eu-west-1", "SITE_URL": "https://old.example.com", "ZZ_THEIR_OWN": "kept"}
	for i := range 70 { // on the pages before the last
		theirs[fmt.Sprintf("AA_%02d", i)] = "kept"
	}
	server.Environments["production"] = &githubtest.Environment{
		Reviewers: []string{"the-release-manager"}, Variables: theirs, Secrets: map[string]string{"THEIR_OWN": "kept"},
	}
	must(t, c.Publish(t.Context(), repository, "production", variables, secrets))

	environment := server.Environments["production"]
	equal(t, "reviewers", environment.Reviewers, []string{"the-release-manager"})
	equal(t, "a variable that changed", environment.Variables["SITE_URL"], variables["SITE_URL"])
	equal(t, "a variable of theirs", environment.Variables["ZZ_THEIR_OWN"], "kept")
	equal(t, "a secret of theirs", environment.Secrets["THEIR_OWN"], "kept")
	equal(t, "requests that changed something", server.Changes(), []string{
		"PATCH /repos/starttech/infrastructure/environments/production/variables/SITE_URL",
		"PUT /repos/starttech/infrastructure/environments/production/secrets/RELEASE_ROLE",
	})
}

func TestASecretIsSealedAnewEachTime(t *testing.T) {
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
	equal(t, "different boxes", len(sent), 2)
}

// expect holds an error to one line; an empty one wants none.
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
		t.Error("the token is in it")
	}
}

func TestEachFailureIsOneLineThatSaysWhatToDo(t *testing.T) {
	const publishNeeds = "it needs a fine-grained token for that repository with Actions: read and Environments: write, and Administration: write where the environment is not there yet"
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
		return func(w http.ResponseWriter, _ *http.Request) bool { githubtest.Refuse(w, status, message); return true }
	}
	writing := func(status int, message string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				githubtest.Refuse(w, status, message)
			}
			return r.Method != http.MethodGet
		}
	}

	for name, test := range map[string]struct {
		do     func(*testing.T, *github.Client) error
		answer func(http.ResponseWriter, *http.Request) bool
		want   string
	}{
		"a token that GitHub does not know": {
			do: comment, answer: always(401, "Bad credentials"),
			want: "comment on starttech/infrastructure#12: GitHub does not take the token (401 Unauthorized: Bad credentials): it is wrong or has expired; make another",
		},
		"a token that may not comment": {
			do: comment, answer: writing(403, "Resource not accessible by integration"),
			want: "comment on starttech/infrastructure#12: the token cannot write there (403 Forbidden: Resource not accessible by integration): the job needs permissions: pull-requests: write, which GitHub never gives to a pull request from a fork",
		},
		"no such pull request": {
			do: func(t *testing.T, c *github.Client) error {
				return c.Comment(t.Context(), repository, 99, marker, "new")
			},
			want: "comment on starttech/infrastructure#99: there is no such pull request, or the token cannot see it (404 Not Found): check GITHUB_REPOSITORY and GITHUB_REF",
		},
		"a token that may not open issues": {
			do: open, answer: writing(403, "Resource not accessible by integration"),
			want: `open the issue "Drift in production" in starttech/infrastructure: the token cannot write there (403 Forbidden: Resource not accessible by integration): the job needs permissions: issues: write`,
		},
		"a repository without issues": {
			do: open, answer: always(410, "Issues are disabled for this repo"),
			want: `open the issue "Drift in production" in starttech/infrastructure: the repository has no issues (410 Gone: Issues are disabled for this repo): switch them on in its settings`,
		},
		"a repository that the token cannot see": {
			do: publish, answer: always(404, "Not Found"),
			want: "publish to starttech/infrastructure: the token cannot write there (404 Not Found): " + publishNeeds,
		},
		"a token that may not create an environment": {
			do: publish, answer: writing(403, "Resource not accessible by personal access token"),
			want: "publish to starttech/infrastructure: the token cannot write there (403 Forbidden: Resource not accessible by personal access token): " + publishNeeds,
		},
		"a value that GitHub does not take": {
			do: publish,
			answer: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprint(w, `{"message": "Validation Failed", "errors": [{"code": "custom", "message": "value is\ntoo long"}]}`)
				return true
			},
			want: "publish to starttech/infrastructure: GitHub refuses (422 Unprocessable Entity: Validation Failed: value is too long)",
		},
		"a public key that is none": {
			do: publish,
			answer: func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/public-key") {
					return false
				}
				fmt.Fprint(w, `{"key_id": "1", "key": "c2hvcnQ="}`)
				return true
			},
			want: "publish to starttech/infrastructure: the environment's public key is not 32 bytes in Base64",
		},
		"a GitHub that fails": {
			do: comment, answer: always(502, "Server Error"),
			want: "comment on starttech/infrastructure#12: GitHub fails (502 Bad Gateway: Server Error): run it again",
		},
		"requests used up": {
			do: comment,
			answer: func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("X-RateLimit-Remaining", "0")
				w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Date(2030, 1, 2, 15, 4, 0, 0, time.UTC).Unix()))
				githubtest.Refuse(w, http.StatusForbidden, "API rate limit exceeded for installation ID 1")
				return true
			},
			want: "comment on starttech/infrastructure#12: the token's requests are used up until 15:04 UTC: run it again after that",
		},
		"requests too fast": {
			do: comment,
			answer: func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "90")
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `{"message": "You have exceeded a secondary rate limit", "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`)
				return true
			},
			want: "comment on starttech/infrastructure#12: GitHub asks for fewer requests: run it again in 1m30s",
		},
		"no repository": {
			do: func(t *testing.T, c *github.Client) error {
				return c.Publish(t.Context(), "starttech", "production", nil, nil)
			},
			want: `"starttech" is not a GitHub repository, owner/name`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := start(t)
			server.Answer = test.answer
			expect(t, test.do(t, c), test.want)
		})
	}
}

func TestAnAddressThatIsNotGitHubIsSaid(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") }))
	defer page.Close()
	expect(t, client(t, githubtest.Token, page.URL).Comment(t.Context(), repository, 12, marker, "new"),
		"comment on starttech/infrastructure#12: what answers at "+page.URL+"/ is not GitHub's API (invalid character '<' looking for beginning of value): check GITHUB_API_URL")

	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	err := client(t, githubtest.Token, gone.URL).Comment(t.Context(), repository, 12, marker, "new")
	for _, part := range []string{"comment on starttech/infrastructure#12: GitHub cannot be reached at " + gone.URL + "/ (dial tcp ", "connection refused): check the network and GITHUB_API_URL"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q in it", err, part)
		}
	}
}

func TestWhatAClientIsMadeOf(t *testing.T) {
	for name, test := range map[string]struct{ token, api, want string }{
		"a token, GitHub's own address":       {token: "x"},
		"a token with a line's end":           {token: "x\n"},
		"the address of an Enterprise Server": {token: "x", api: "https://github.example.com/api/v3"},
		"no token":                            {want: "the token for GitHub is empty"},
		"a token of spaces":                   {token: " \n", want: "the token for GitHub is empty"},
		"an address without https":            {token: "x", api: "api.github.com", want: `GITHUB_API_URL: "api.github.com" is not an address such as https://api.github.com`},
		"an address of another kind":          {token: "x", api: "ftp://api.github.com", want: `GITHUB_API_URL: "ftp://api.github.com" is not an address such as https://api.github.com`},
		"an address that is none":             {token: "x", api: "https://a b", want: `GITHUB_API_URL: "https://a b" is not an address such as https://api.github.com`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := github.New(test.token, test.api)
			expect(t, err, test.want)
		})
	}
}

func TestATokenWithALinesEndIsTaken(t *testing.T) {
	server := githubtest.Start(t, repository)
	must(t, client(t, githubtest.Token+"\n", server.URL).Comment(t.Context(), repository, 12, marker, "new"))
	if !slices.Contains(server.Requests, "POST /repos/starttech/infrastructure/issues/12/comments") {
		t.Error("nothing was written")
	}
}
