// Package githubtest is a fake server for the part of GitHub's API that package github uses. It follows GitHub's
// documentation of each call. Tests send no request to GitHub itself.
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

// Token is the only token that the server accepts.
const Token = "github_pat_of_the_tests"

// WorkflowUser is the author of comments and issues written with Token, as with the token of a workflow on GitHub.
var WorkflowUser = User{Login: "github-actions[bot]"}

// Server is a fake GitHub with one repository and one pull request, number 12. Other repositories have the same content. A test
// may set its fields before the first request and read them after the last one.
type Server struct {
	URL string

	// The settings of the repository, in GitHub's format: the rules of main, and what workflows may do.
	Rules, WorkflowPermissions any
	// IsPrivate is whether the repository is private, and AccessLevel who may call its workflows then: "none", "user", "organization".
	IsPrivate   bool
	AccessLevel string
	// Owners is .github/CODEOWNERS on main; empty: there is none. OwnerErrors is the messages of what is wrong in its first line.
	Owners      string
	OwnerErrors []string

	Comments     []*Comment // on the pull request and on issues, oldest first
	Issues       []*Issue   // including pull requests, as in GitHub's list
	Files        []File     // of the pull request
	Environments map[string]*Environment

	// Requests are the received requests, "POST /repos/OWNER/NAME/issues", and Bodies their bodies.
	Requests, Bodies []string
	// Intercept, if set, is called before each request is handled. If it returns true, it has responded.
	Intercept func(w http.ResponseWriter, r *http.Request) bool

	mutex           sync.Mutex
	public, private *[32]byte
}

// User is a user account or an app.
type User struct {
	Login string `json:"login"`
}

// Comment is a comment on an issue or a pull request.
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

// File is a file that a pull request changes.
type File struct {
	Name   string `json:"filename"`
	Status string `json:"status"`
	URL    string `json:"blob_url"`
}

// Environment is a deployment environment. Secrets are decrypted.
type Environment struct {
	Reviewers          []string
	SelfReview         bool     // whether who starts a deployment may approve it
	Branches           []string // that may deploy; nil: all
	Variables, Secrets map[string]string
}

// Start starts a server with repositories, owner/name. It closes the server when the test ends.
func Start(t testing.TB, repositories ...string) *Server {
	t.Helper()
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{public: public, private: private, Environments: map[string]*Environment{}}
	s.Issues = []*Issue{{Number: 12, State: "open", Title: "A change", PullRequest: &struct{}{}}}

	mux := http.NewServeMux()
	handle := func(pattern string, handler http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		for _, repository := range repositories {
			mux.HandleFunc(method+" /repos/"+repository+path, handler)
		}
	}
	handle("GET /issues/{number}/comments", s.listComments)
	handle("POST /issues/{number}/comments", s.createComment)
	handle("PATCH /issues/comments/{id}", s.updateComment)
	handle("GET /pulls/12/files", func(w http.ResponseWriter, r *http.Request) { respond(w, http.StatusOK, page(w, r, s.URL, s.Files)) })
	handle("GET /issues", s.listIssues)
	handle("POST /issues", s.createIssue)
	handle("PATCH /issues/{number}", s.updateIssue)
	handle("GET /environments/{environment}", s.getEnvironment)
	handle("PUT /environments/{environment}", s.putEnvironment)
	handle("GET /environments/{environment}/variables", s.listVariables)
	handle("POST /environments/{environment}/variables", s.createVariable)
	handle("PATCH /environments/{environment}/variables/{name}", s.updateVariable)
	handle("GET /environments/{environment}/secrets/public-key", s.publicKey)
	handle("PUT /environments/{environment}/secrets/{name}", s.putSecret)
	handle("GET /environments/{environment}/deployment-branch-policies", s.listBranches)
	handle("GET /rules/branches/main", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, s.Rules) })
	handle("GET /actions/permissions/workflow", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, s.WorkflowPermissions) })
	handle("GET ", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, map[string]bool{"private": s.IsPrivate})
	})
	handle("GET /actions/permissions/access", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, map[string]string{"access_level": s.AccessLevel})
	})
	handle("GET /contents/.github/CODEOWNERS", s.getOwners)
	handle("GET /codeowners/errors", s.listOwnerErrors)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { RespondError(w, http.StatusNotFound, "Not Found") })

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
		if s.Intercept != nil && s.Intercept(w, r) {
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+Token {
			RespondError(w, http.StatusUnauthorized, "Bad credentials")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// RespondError responds with an error in GitHub's format.
func RespondError(w http.ResponseWriter, status int, message string) {
	respond(w, status, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest"})
}

// Changes returns the requests that change something: all except GET.
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
	respond(w, http.StatusOK, page(w, r, s.URL, comments))
}

func (s *Server) createComment(w http.ResponseWriter, r *http.Request) {
	issue := s.issue(w, r)
	if issue == nil {
		return
	}
	comment := &Comment{ID: int64(1000 + len(s.Comments)), User: WorkflowUser, Issue: issue.Number}
	if decode(w, r, comment) {
		s.Comments = append(s.Comments, comment)
		respond(w, http.StatusCreated, comment)
	}
}

func (s *Server) updateComment(w http.ResponseWriter, r *http.Request) {
	for _, comment := range s.Comments {
		if strconv.FormatInt(comment.ID, 10) == r.PathValue("id") {
			if decode(w, r, comment) {
				respond(w, http.StatusOK, comment)
			}
			return
		}
	}
	RespondError(w, http.StatusNotFound, "Not Found")
}

func (s *Server) listIssues(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	var issues []*Issue
	for _, issue := range s.Issues {
		if state == "all" || issue.State == state || state == "" && issue.State == "open" {
			issues = append(issues, issue)
		}
	}
	respond(w, http.StatusOK, page(w, r, s.URL, issues))
}

func (s *Server) createIssue(w http.ResponseWriter, r *http.Request) {
	issue := &Issue{Number: 100 + len(s.Issues), State: "open", User: WorkflowUser}
	if decode(w, r, issue) {
		s.Issues = append(s.Issues, issue)
		respond(w, http.StatusCreated, issue)
	}
}

func (s *Server) updateIssue(w http.ResponseWriter, r *http.Request) {
	if issue := s.issue(w, r); issue != nil && decode(w, r, issue) {
		respond(w, http.StatusOK, issue)
	}
}

// issue returns the issue that the path names. If there is none, it responds with 404 and returns nil.
func (s *Server) issue(w http.ResponseWriter, r *http.Request) *Issue {
	for _, issue := range s.Issues {
		if strconv.Itoa(issue.Number) == r.PathValue("number") {
			return issue
		}
	}
	RespondError(w, http.StatusNotFound, "Not Found")
	return nil
}

func (s *Server) getEnvironment(w http.ResponseWriter, r *http.Request) {
	environment := s.environment(w, r)
	if environment == nil {
		return
	}
	body := map[string]any{"name": r.PathValue("environment"), "protection_rules": []any{}, "deployment_branch_policy": nil}
	if environment.Branches != nil {
		body["deployment_branch_policy"] = map[string]bool{"protected_branches": false, "custom_branch_policies": true}
	}
	if len(environment.Reviewers) > 0 {
		var reviewers []any
		for _, login := range environment.Reviewers {
			reviewers = append(reviewers, map[string]any{"type": "User", "reviewer": User{login}})
		}
		body["protection_rules"] = []any{map[string]any{
			"type": "required_reviewers", "prevent_self_review": !environment.SelfReview, "reviewers": reviewers,
		}}
	}
	respond(w, http.StatusOK, body)
}

func (s *Server) listBranches(w http.ResponseWriter, r *http.Request) {
	environment := s.environment(w, r)
	if environment == nil {
		return
	}
	policies := []any{}
	for _, branch := range environment.Branches {
		policies = append(policies, map[string]string{"name": branch, "type": "branch"})
	}
	respond(w, http.StatusOK, map[string]any{"total_count": len(policies), "branch_policies": policies})
}

func (s *Server) getOwners(w http.ResponseWriter, _ *http.Request) {
	if s.Owners == "" {
		RespondError(w, http.StatusNotFound, "Not Found")
		return
	}
	respond(w, http.StatusOK, map[string]string{
		"type": "file", "encoding": "base64", "content": base64.StdEncoding.EncodeToString([]byte(s.Owners)),
	})
}

func (s *Server) listOwnerErrors(w http.ResponseWriter, _ *http.Request) {
	errors := []any{}
	for _, message := range s.OwnerErrors {
		errors = append(errors, map[string]any{"line": 1, "message": message, "path": ".github/CODEOWNERS"})
	}
	respond(w, http.StatusOK, map[string]any{"errors": errors})
}

// Protect gives the repository every setting of docs/deploying.md. The environments have the branch main and a reviewer.
func (s *Server) Protect(environments ...string) {
	rule := func(kind string, parameters map[string]any) any {
		return map[string]any{"type": kind, "parameters": parameters}
	}
	s.Rules = []any{
		rule("pull_request", map[string]any{
			"required_approving_review_count": 1, "dismiss_stale_reviews_on_push": true, "require_code_owner_review": true, "require_last_push_approval": true,
		}),
		rule("required_status_checks", map[string]any{"required_status_checks": []any{map[string]string{"context": "passed"}}}),
		rule("deletion", nil), rule("non_fast_forward", nil),
	}
	s.WorkflowPermissions = map[string]any{"default_workflow_permissions": "read", "can_approve_pull_request_reviews": false}
	s.Owners = "* @starttech/operators\n"
	for _, name := range environments {
		s.Environments[name] = &Environment{Reviewers: []string{"the-release-manager"}, Branches: []string{"main"}}
	}
}

// putEnvironment creates an environment. It removes the reviewers of an existing one, as GitHub does for a request without
// reviewers.
func (s *Server) putEnvironment(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("environment")
	if environment, ok := s.Environments[name]; ok {
		environment.Reviewers = nil
	} else {
		s.Environments[name] = &Environment{Variables: map[string]string{}, Secrets: map[string]string{}}
	}
	respond(w, http.StatusOK, map[string]string{"name": name})
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
	respond(w, http.StatusOK, map[string]any{"total_count": len(variables), "variables": page(w, r, s.URL, variables)})
}

func (s *Server) createVariable(w http.ResponseWriter, r *http.Request) {
	environment, v := s.environment(w, r), variable{}
	if environment == nil || !decode(w, r, &v) {
		return
	}
	if _, ok := environment.Variables[v.Name]; ok {
		RespondError(w, http.StatusConflict, "Already exists - Variable already exists")
		return
	}
	environment.Variables[v.Name] = v.Value
	w.WriteHeader(http.StatusCreated)
}

func (s *Server) updateVariable(w http.ResponseWriter, r *http.Request) {
	environment, v := s.environment(w, r), variable{}
	if environment == nil || !decode(w, r, &v) {
		return
	}
	if _, ok := environment.Variables[r.PathValue("name")]; !ok {
		RespondError(w, http.StatusNotFound, "Not Found")
		return
	}
	environment.Variables[r.PathValue("name")] = v.Value
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) publicKey(w http.ResponseWriter, r *http.Request) {
	if s.environment(w, r) != nil {
		respond(w, http.StatusOK, map[string]string{"key_id": "568250167242549743", "key": base64.StdEncoding.EncodeToString(s.public[:])})
	}
}

// putSecret decrypts a secret with the private key, as GitHub does before it passes the secret to a job.
func (s *Server) putSecret(w http.ResponseWriter, r *http.Request) {
	environment := s.environment(w, r)
	var sent struct {
		KeyID string `json:"key_id"`
		Value string `json:"encrypted_value"`
	}
	if environment == nil || !decode(w, r, &sent) {
		return
	}
	sealed, err := base64.StdEncoding.DecodeString(sent.Value)
	value, ok := box.OpenAnonymous(nil, sealed, s.public, s.private)
	if err != nil || !ok || sent.KeyID != "568250167242549743" {
		RespondError(w, http.StatusUnprocessableEntity, "Bad request - the secret is not encrypted with the public key")
		return
	}
	environment.Secrets[r.PathValue("name")] = string(value)
	w.WriteHeader(http.StatusCreated)
}

// environment returns the environment that the path names. If there is none, it responds with 404 and returns nil.
func (s *Server) environment(w http.ResponseWriter, r *http.Request) *Environment {
	environment, ok := s.Environments[r.PathValue("environment")]
	if !ok {
		RespondError(w, http.StatusNotFound, "Not Found")
		return nil
	}
	return environment
}

// page returns the requested page of a list, and adds a link to the next page to the response.
func page[T any](w http.ResponseWriter, r *http.Request, server string, all []T) []T {
	parameter := func(name string, fallback int) int {
		if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && n > 0 {
			return n
		}
		return fallback
	}
	current, size := parameter("page", 1), min(parameter("per_page", 30), 100)
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

// decode decodes the body of a request into a value. If it is not JSON, it responds with 400 and returns false.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		RespondError(w, http.StatusBadRequest, "Problems parsing JSON")
		return false
	}
	return true
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
