// Package githubtest is a server that plays the part of GitHub's API that package github uses. Nothing in the tests
// reaches GitHub itself; what the server does stands in GitHub's documentation of each call.
package githubtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/nacl/box"
)

// Token is the one that the server takes.
const Token = "github_pat_of_the_tests"

// Workflow is the author of what is written with Token, as of what is written with the token of a workflow.
var Workflow = User{Login: "github-actions[bot]"}

// Server is a GitHub with one repository and one pull request, number 12. Its fields may be set before the first
// request and read after the last.
type Server struct {
	URL string

	Comments     []*Comment // on the pull request and on issues, in the order in which they were made
	Issues       []*Issue   // pull requests among them, as in GitHub's own list
	Environments map[string]*Environment

	// Requests is what was asked, "POST /repos/OWNER/NAME/issues", and Bodies what was sent with it.
	Requests, Bodies []string
	// Answer takes over where it returns true.
	Answer func(w http.ResponseWriter, r *http.Request) bool

	repository  string
	mutex       sync.Mutex
	public, own *[32]byte
}

// User is a person or an app.
type User struct {
	Login string `json:"login"`
}

// Comment is one on an issue or a pull request.
type Comment struct {
	ID    int64  `json:"id"`
	User  User   `json:"user"` // its author
	Body  string `json:"body"`
	Issue int    `json:"-"`
}

// Issue is an issue or a pull request.
type Issue struct {
	Number      int       `json:"number"`
	State       string    `json:"state"`
	User        User      `json:"user"` // its author
	Title       string    `json:"title"`
	Body        string    `json:"body"`
	PullRequest *struct{} `json:"pull_request,omitempty"`
}

// Environment is a deployment environment. Secrets are as the jobs see them.
type Environment struct {
	Reviewers          []string
	Variables, Secrets map[string]string
}

// Start starts a GitHub with a repository, owner/name. It ends with the test.
func Start(t testing.TB, repository string) *Server {
	t.Helper()
	public, own, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{repository: repository, public: public, own: own, Environments: map[string]*Environment{}}
	s.Issues = []*Issue{{Number: 12, State: "open", Title: "A change", PullRequest: &struct{}{}}}

	mux := http.NewServeMux()
	at := func(pattern string, handle http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /repos/"+repository+path, handle)
	}
	at("GET /issues/{number}/comments", s.listComments)
	at("POST /issues/{number}/comments", s.createComment)
	at("PATCH /issues/comments/{id}", s.updateComment)
	at("GET /issues", s.listIssues)
	at("POST /issues", s.createIssue)
	at("PATCH /issues/{number}", s.updateIssue)
	at("GET /environments/{environment}", s.getEnvironment)
	at("PUT /environments/{environment}", s.putEnvironment)
	at("GET /environments/{environment}/variables", s.listVariables)
	at("POST /environments/{environment}/variables", s.createVariable)
	at("PATCH /environments/{environment}/variables/{name}", s.updateVariable)
	at("GET /environments/{environment}/secrets/public-key", s.publicKey)
	at("PUT /environments/{environment}/secrets/{name}", s.putSecret)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { Refuse(w, http.StatusNotFound, "Not Found") })

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.Requests = append(s.Requests, r.Method+" "+r.URL.RequestURI())
		s.Bodies = append(s.Bodies, string(body))
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if s.Answer != nil && s.Answer(w, r) {
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+Token {
			Refuse(w, http.StatusUnauthorized, "Bad credentials")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Refuse answers as GitHub does where it refuses.
func Refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest"})
}

// Changes is the requests that changed something.
func (s *Server) Changes() []string {
	return slices.DeleteFunc(slices.Clone(s.Requests), func(request string) bool { return strings.HasPrefix(request, "GET ") })
}

func (s *Server) listComments(w http.ResponseWriter, r *http.Request) {
	issue := s.issue(w, r)
	if issue == nil {
		return
	}
	var comments []*Comment
	for _, comment := range s.Comments {
		if comment.Issue == issue.Number {
			comments = append(comments, comment)
		}
	}
	answer(w, http.StatusOK, page(w, r, s.URL, comments))
}

func (s *Server) createComment(w http.ResponseWriter, r *http.Request) {
	issue := s.issue(w, r)
	if issue == nil {
		return
	}
	comment := &Comment{ID: int64(1000 + len(s.Comments)), User: Workflow, Issue: issue.Number}
	if read(w, r, comment) {
		s.Comments = append(s.Comments, comment)
		answer(w, http.StatusCreated, comment)
	}
}

func (s *Server) updateComment(w http.ResponseWriter, r *http.Request) {
	for _, comment := range s.Comments {
		if strconv.FormatInt(comment.ID, 10) == r.PathValue("id") {
			if read(w, r, comment) {
				answer(w, http.StatusOK, comment)
			}
			return
		}
	}
	Refuse(w, http.StatusNotFound, "Not Found")
}

func (s *Server) listIssues(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	var issues []*Issue
	for _, issue := range s.Issues {
		if state == "all" || issue.State == state || state == "" && issue.State == "open" {
			issues = append(issues, issue)
		}
	}
	answer(w, http.StatusOK, page(w, r, s.URL, issues))
}

func (s *Server) createIssue(w http.ResponseWriter, r *http.Request) {
	issue := &Issue{Number: 100 + len(s.Issues), State: "open", User: Workflow}
	if read(w, r, issue) {
		s.Issues = append(s.Issues, issue)
		answer(w, http.StatusCreated, issue)
	}
}

func (s *Server) updateIssue(w http.ResponseWriter, r *http.Request) {
	if issue := s.issue(w, r); issue != nil && read(w, r, issue) {
		answer(w, http.StatusOK, issue)
	}
}

// issue is the one that a path names; where there is none it answers.
func (s *Server) issue(w http.ResponseWriter, r *http.Request) *Issue {
	for _, issue := range s.Issues {
		if strconv.Itoa(issue.Number) == r.PathValue("number") {
			return issue
		}
	}
	Refuse(w, http.StatusNotFound, "Not Found")
	return nil
}

func (s *Server) getEnvironment(w http.ResponseWriter, r *http.Request) {
	if s.environment(w, r) != nil {
		answer(w, http.StatusOK, map[string]string{"name": r.PathValue("environment")})
	}
}

// putEnvironment creates an environment, or takes the reviewers of one that is there away, as the call does that
// names none.
func (s *Server) putEnvironment(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("environment")
	if environment, ok := s.Environments[name]; ok {
		environment.Reviewers = nil
	} else {
		s.Environments[name] = &Environment{Variables: map[string]string{}, Secrets: map[string]string{}}
	}
	answer(w, http.StatusOK, map[string]string{"name": name})
}

type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (s *Server) listVariables(w http.ResponseWriter, r *http.Request) {
	environment := s.environment(w, r)
	if environment == nil {
		return
	}
	variables := []variable{}
	for name, value := range environment.Variables {
		variables = append(variables, variable{name, value})
	}
	slices.SortFunc(variables, func(a, b variable) int { return strings.Compare(a.Name, b.Name) })
	answer(w, http.StatusOK, map[string]any{"total_count": len(variables), "variables": page(w, r, s.URL, variables)})
}

func (s *Server) createVariable(w http.ResponseWriter, r *http.Request) {
	environment, v := s.environment(w, r), variable{}
	if environment == nil || !read(w, r, &v) {
		return
	}
	if _, ok := environment.Variables[v.Name]; ok {
		Refuse(w, http.StatusConflict, "Already exists - Variable already exists")
		return
	}
	environment.Variables[v.Name] = v.Value
	w.WriteHeader(http.StatusCreated)
}

func (s *Server) updateVariable(w http.ResponseWriter, r *http.Request) {
	environment, v := s.environment(w, r), variable{}
	if environment == nil || !read(w, r, &v) {
		return
	}
	if _, ok := environment.Variables[r.PathValue("name")]; !ok {
		Refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	environment.Variables[r.PathValue("name")] = v.Value
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) publicKey(w http.ResponseWriter, r *http.Request) {
	if s.environment(w, r) != nil {
		answer(w, http.StatusOK, map[string]string{"key_id": "568250167242549743", "key": base64.StdEncoding.EncodeToString(s.public[:])})
	}
}

// putSecret opens the box with the private key, as GitHub does before it gives a secret to a job.
func (s *Server) putSecret(w http.ResponseWriter, r *http.Request) {
	environment := s.environment(w, r)
	var sent struct {
		KeyID string `json:"key_id"`
		Value string `json:"encrypted_value"`
	}
	if environment == nil || !read(w, r, &sent) {
		return
	}
	sealed, err := base64.StdEncoding.DecodeString(sent.Value)
	value, ok := box.OpenAnonymous(nil, sealed, s.public, s.own)
	if err != nil || !ok || sent.KeyID != "568250167242549743" {
		Refuse(w, http.StatusUnprocessableEntity, "Bad request - the secret is not encrypted with the public key")
		return
	}
	environment.Secrets[r.PathValue("name")] = string(value)
	w.WriteHeader(http.StatusCreated)
}

// environment is the one that a path names; where there is none it answers.
func (s *Server) environment(w http.ResponseWriter, r *http.Request) *Environment {
	environment, ok := s.Environments[r.PathValue("environment")]
	if !ok {
		Refuse(w, http.StatusNotFound, "Not Found")
		return nil
	}
	return environment
}

// page is the part of a list that a request asks for, with a link to the next one.
func page[T any](w http.ResponseWriter, r *http.Request, server string, all []T) []T {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && n > 0 {
			return n
		}
		return otherwise
	}
	current, size := number("page", 1), min(number("per_page", 30), 100)
	if strings.HasSuffix(r.URL.Path, "/variables") {
		size = min(size, 30)
	}
	from, to := min((current-1)*size, len(all)), min(current*size, len(all))
	if to < len(all) {
		query := r.URL.Query()
		query.Set("page", strconv.Itoa(current+1))
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, server, r.URL.Path, query.Encode()))
	}
	return append([]T{}, all[from:to]...)
}

// read reads what was sent over a value; where it is no JSON it answers.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		Refuse(w, http.StatusBadRequest, "Problems parsing JSON")
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
