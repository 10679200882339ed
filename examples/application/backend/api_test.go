package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// server is the API with a Redis of its own.
type server struct {
	*httptest.Server
	redis *miniredis.Miniredis
	log   *bytes.Buffer
}

// start starts the API with the variables of an instance, changed by variables.
func start(t *testing.T, variables map[string]string) *server {
	t.Helper()
	s := &server{redis: miniredis.RunT(t), log: &bytes.Buffer{}}
	all := map[string]string{
		"JWT_SECRET_KEY": "0123456789abcdef", "ENABLE_CACHE": "true", "REDIS_ADDR": s.redis.Addr(), "LOG_FORMAT": "json",
		"COOKIE_DOMAINS": "site.example", "SECURE_COOKIE": "true", "ALLOWED_ORIGINS": "https://site.example,https://other.example",
	}
	maps.Copy(all, variables)
	settings, err := loadSettings(t.TempDir()+"/.env", lookupIn(all))
	if err != nil {
		t.Fatal(err)
	}
	store := newStore(settings)
	t.Cleanup(store.close)
	s.Server = httptest.NewServer(newAPI(settings, store, newLogger(s.log, settings), "TEST"))
	t.Cleanup(s.Close)
	return s
}

func lookupIn(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

// answer is a response.
type answer struct {
	status int
	header http.Header
	body   string
}

// call sends a request with header lines "Name: value".
func (s *server) call(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(content)}
}

// login returns the cookie header of a new session.
func (s *server) login(t *testing.T, name string) string {
	t.Helper()
	got := s.call(t, "POST", "/auth/login", fmt.Sprintf(`{"name": %q, "password": "starttech"}`, name))
	cookies := (&http.Response{Header: got.header}).Cookies()
	if got.status != 200 || len(cookies) == 0 {
		t.Fatalf("login: %d %s", got.status, got.body)
	}
	return "Cookie: " + cookies[0].Name + "=" + cookies[0].Value
}

// want fails the test unless the response has a status and a body with a text.
func (a answer) want(t *testing.T, status int, text string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, text) {
		t.Errorf("%d %s, want %d with %q", a.status, a.body, status, text)
	}
	if a.body != "" && (!json.Valid([]byte(a.body)) || a.header.Get("Content-Type") != "application/json") {
		t.Errorf("%s %q is not JSON", a.header.Get("Content-Type"), a.body)
	}
}

func TestCookieFollowsTheSettings(t *testing.T) {
	for name, test := range map[string]struct {
		variables map[string]string
		want      []string // attributes of each cookie
	}{
		"on AWS": {nil, []string{"Path=/; Domain=site.example; Max-Age=259200; HttpOnly; Secure; SameSite=Lax"}},
		"two domains": {map[string]string{"COOKIE_DOMAINS": "a.example, b.example", "JWT_EXPIRATION_HOURS": "1"}, []string{
			"Path=/; Domain=a.example; Max-Age=3600; HttpOnly; Secure; SameSite=Lax",
			"Path=/; Domain=b.example; Max-Age=3600; HttpOnly; Secure; SameSite=Lax",
		}},
		"on this machine": {map[string]string{"COOKIE_DOMAINS": "", "SECURE_COOKIE": ""}, []string{
			"Path=/; Max-Age=259200; HttpOnly; SameSite=Lax",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := start(t, test.variables).call(t, "POST", "/auth/login", `{"name": "Ada", "password": "starttech"}`)
			got.want(t, 200, `"name":"Ada"`)
			var attributes []string
			for _, cookie := range got.header.Values("Set-Cookie") {
				_, rest, _ := strings.Cut(cookie, "; ")
				attributes = append(attributes, rest)
			}
			if !slices.Equal(attributes, test.want) {
				t.Errorf("the cookies are\n%q\nwant\n%q", attributes, test.want)
			}
		})
	}
}

func TestLoginRefuses(t *testing.T) {
	s := start(t, nil)
	s.call(t, "POST", "/auth/login", `{"name": "Ada", "password": "wrong"}`).want(t, 401, "the password is wrong")
	s.call(t, "POST", "/auth/login", `{"name": "a:b", "password": "starttech"}`).want(t, 400, `name is \"a:b\"; allowed: 1 to 40`)
	s.call(t, "POST", "/auth/login", `{"password": "starttech"}`).want(t, 400, `name is \"\"`)
	s.call(t, "POST", "/auth/login", `name=Ada`).want(t, 400, "the body is not a JSON object")
	s.call(t, "POST", "/auth/login", `{"name": "`+strings.Repeat("x", maxBody)+`"}`).want(t, 400, "the body is not a JSON object")
}

func TestSessionEnds(t *testing.T) {
	s := start(t, map[string]string{"JWT_EXPIRATION_HOURS": "1"})
	s.call(t, "GET", "/users/me", "").want(t, 401, "there is no session")
	cookie := s.login(t, "Ada")
	s.call(t, "GET", "/users/me", "", cookie).want(t, 200, `"name":"Ada"`)
	s.call(t, "GET", "/users/me", "", cookie+"x").want(t, 401, "there is no session")

	// The server forgets a session, so a copy of its cookie is useless.
	got := s.call(t, "POST", "/auth/logout", "", cookie)
	got.want(t, 204, "")
	if deleted := got.header.Get("Set-Cookie"); !strings.HasPrefix(deleted, "session=; Path=/; Domain=site.example; Max-Age=0") {
		t.Errorf("logout sets the cookie %q", deleted)
	}
	s.call(t, "GET", "/users/me", "", cookie).want(t, 401, "there is no session")
	s.call(t, "POST", "/auth/logout", "", cookie).want(t, 204, "")

	cookie = s.login(t, "Ada")
	s.redis.FastForward(time.Hour)
	s.call(t, "GET", "/users/me", "", cookie).want(t, 401, "there is no session")
}

func TestTasksAreCachedUntilTheyChange(t *testing.T) {
	s := start(t, nil)
	cookie := s.login(t, "Ada")
	list := func(cache, body string) {
		t.Helper()
		got := s.call(t, "GET", "/tasks", "", cookie)
		got.want(t, 200, body)
		got.want(t, 200, `"cache":"`+cache+`"`)
		if got.header.Get("X-Cache") != cache {
			t.Errorf("X-Cache is %q, want %q", got.header.Get("X-Cache"), cache)
		}
	}
	list("miss", `"tasks":[]`)
	list("hit", `"tasks":[]`)

	got := s.call(t, "POST", "/tasks", `{"title": " Water the plants "}`, cookie)
	got.want(t, 201, `"title":"Water the plants","done":false`)
	var added task
	if err := json.Unmarshal([]byte(got.body), &added); err != nil {
		t.Fatal(err)
	}
	list("miss", `"title":"Water the plants","done":false`)
	list("hit", `"title":"Water the plants","done":false`)

	s.call(t, "PATCH", "/tasks/"+added.ID, `{"done": true}`, cookie).want(t, 200, `"title":"Water the plants","done":true`)
	list("miss", `"done":true`)
	s.call(t, "PATCH", "/tasks/"+added.ID, `{"title": "Done"}`, cookie).want(t, 200, `"title":"Done","done":true`)
	list("miss", `"title":"Done","done":true`)
	list("hit", `"title":"Done","done":true`)
	s.redis.FastForward(cacheLife)
	list("miss", `"title":"Done","done":true`)

	other := s.login(t, "Bob")
	s.call(t, "GET", "/tasks", "", other).want(t, 200, `"tasks":[]`)
	s.call(t, "PATCH", "/tasks/"+added.ID, `{"done": false}`, other).want(t, 404, "there is no task")
	s.call(t, "DELETE", "/tasks/"+added.ID, "", other).want(t, 404, "there is no task")

	s.call(t, "DELETE", "/tasks/"+added.ID, "", cookie).want(t, 204, "")
	list("miss", `"tasks":[]`)
	s.call(t, "DELETE", "/tasks/"+added.ID, "", cookie).want(t, 404, "there is no task")
}

func TestTasksWithoutCacheAreNeverHits(t *testing.T) {
	s := start(t, map[string]string{"ENABLE_CACHE": "false"})
	cookie := s.login(t, "Ada")
	for range 2 {
		s.call(t, "GET", "/tasks", "", cookie).want(t, 200, `"cache":"miss"`)
	}
}

func TestTasksRefuse(t *testing.T) {
	s := start(t, nil)
	cookie := s.login(t, "Ada")
	for _, call := range []string{"GET /tasks", "POST /tasks", "PATCH /tasks/x", "DELETE /tasks/x"} {
		method, path, _ := strings.Cut(call, " ")
		s.call(t, method, path, `{}`).want(t, 401, "there is no session")
	}
	s.call(t, "POST", "/tasks", `{"title": " "}`, cookie).want(t, 400, "title has 0 characters; allowed: 1 to 200")
	s.call(t, "POST", "/tasks", `{"title": "`+strings.Repeat("ü", 201)+`"}`, cookie).want(t, 400, "title has 201 characters")
	s.call(t, "PATCH", "/tasks/x", `{"title": ""}`, cookie).want(t, 400, "title has 0 characters")
	s.call(t, "PATCH", "/tasks/x", `[]`, cookie).want(t, 400, "the body is not a JSON object")
	s.call(t, "PATCH", "/tasks/x", `{"done": true}`, cookie).want(t, 404, `there is no task \"x\"`)
}

// Each of these changes one of two fields of the same task, so a lost update shows.
func TestChangesAtTheSameTimeAreNotLost(t *testing.T) {
	s := start(t, nil)
	settings := settings{redisAddress: s.redis.Addr(), cache: true}
	store := newStore(settings)
	defer store.close()
	if err := store.addTask(t.Context(), "Ada", task{ID: "x", Title: "old"}); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 10 {
		for _, change := range []func(*task){func(t *task) { t.Title += "." }, func(t *task) { t.Title += "," }} {
			group.Go(func() {
				for {
					if _, err := store.changeTask(t.Context(), "Ada", "x", change); err == nil {
						return
					}
				}
			})
		}
	}
	group.Wait()
	tasks, _, err := store.tasks(t.Context(), "Ada")
	if err != nil || len(tasks) != 1 || strings.Count(tasks[0].Title, ".") != 10 || strings.Count(tasks[0].Title, ",") != 10 {
		t.Errorf("%v, %v", tasks, err)
	}
}

func TestOrigins(t *testing.T) {
	s := start(t, nil)
	const preflight = "Access-Control-Request-Method: PATCH"
	for name, test := range map[string]struct {
		method  string
		header  []string
		status  int
		allowed string // Access-Control-Allow-Origin
	}{
		"no origin":                       {"GET", nil, 200, ""},
		"listed":                          {"GET", []string{"Origin: https://other.example"}, 200, "https://other.example"},
		"preflight of a listed origin":    {"OPTIONS", []string{"Origin: https://other.example", preflight}, 204, "https://other.example"},
		"not listed":                      {"GET", []string{"Origin: https://evil.example"}, 403, ""},
		"preflight of another origin":     {"OPTIONS", []string{"Origin: https://evil.example", preflight}, 403, ""},
		"listed name over HTTP":           {"GET", []string{"Origin: http://other.example"}, 403, ""},
		"subdomain of a listed one":       {"GET", []string{"Origin: https://x.other.example"}, 403, ""},
		"a sandboxed page":                {"GET", []string{"Origin: null"}, 403, ""},
		"the API's own host":              {"GET", []string{"Origin: https://d1.cloudfront.net", "Host: d1.cloudfront.net"}, 200, ""},
		"the API's own host and its port": {"GET", []string{"Origin: http://127.0.0.1:8080", "Host: 127.0.0.1:8080"}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.call(t, test.method, "/ping", "", test.header...)
			got.want(t, test.status, "")
			if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != test.allowed {
				t.Errorf("allowed origin %q, want %q", allowed, test.allowed)
			}
			if credentials := got.header.Get("Access-Control-Allow-Credentials"); (credentials == "true") != (test.allowed != "") {
				t.Errorf("Access-Control-Allow-Credentials is %q", credentials)
			}
			if test.status == 204 && !strings.Contains(got.header.Get("Access-Control-Allow-Methods"), "PATCH") {
				t.Errorf("allowed methods %q", got.header.Get("Access-Control-Allow-Methods"))
			}
		})
	}
}

func TestHealthDependsOnRedis(t *testing.T) {
	for cache, status := range map[string]int{"true": 503, "false": 200} {
		s := start(t, map[string]string{"ENABLE_CACHE": cache})
		cookie := s.login(t, "Ada")
		s.call(t, "GET", "/health", "").want(t, 200, `"status":"ok"`)
		s.redis.Close()
		s.call(t, "GET", "/health", "").want(t, status, "")
		s.call(t, "GET", "/ping", "").want(t, 200, `"status":"ok"`)
		s.call(t, "GET", "/tasks", "", cookie).want(t, 503, "the data is not available; try again")
		if err := s.redis.Restart(); err != nil {
			t.Fatal(err)
		}
		s.call(t, "GET", "/health", "").want(t, 200, "")
		s.call(t, "GET", "/tasks", "", cookie).want(t, 200, "")
	}
}

func TestUnknownRouteIsJSON(t *testing.T) {
	s := start(t, nil)
	s.call(t, "GET", "/todos", "").want(t, 404, "there is no GET /todos")
	s.call(t, "PUT", "/tasks", "").want(t, 404, "there is no PUT /tasks")
	s.call(t, "GET", "/tasks/fault?status=500", "").want(t, 404, "there is no GET /tasks/fault") // DEMO_FAULTS is off
}

func TestFaults(t *testing.T) {
	s := start(t, map[string]string{"DEMO_FAULTS": "true"})
	s.call(t, "GET", "/tasks/fault", "").want(t, 200, `"status":200`)
	s.call(t, "GET", "/tasks/fault?status=502", "").want(t, 502, `"status":502`)
	s.call(t, "GET", "/tasks/fault?status=204", "").want(t, 204, "")
	for _, query := range []string{"sleepMs=200", "cpuMs=200", "sleepMs=100&cpuMs=100"} {
		begin := time.Now()
		s.call(t, "GET", "/tasks/fault?"+query, "").want(t, 200, "")
		if took := time.Since(begin); took < 200*time.Millisecond {
			t.Errorf("%s took %s", query, took)
		}
	}
	for query, want := range map[string]string{
		"status=100":     `status is \"100\"; allowed: a number from 200 to 599`,
		"sleepMs=-1":     `sleepMs is \"-1\"; allowed: a number from 0 to 60000`,
		"cpuMs=infinite": `cpuMs is \"infinite\"; allowed: a number from 0 to 60000`,
	} {
		s.call(t, "GET", "/tasks/fault?"+query, "").want(t, 400, want)
	}
}

func TestLogIsJSONAndHasNoSecrets(t *testing.T) {
	s := start(t, nil)
	cookie := s.login(t, "Ada")
	s.call(t, "GET", "/users/me", "", cookie, "X-Forwarded-For: 192.0.2.1", "X-Amzn-Trace-Id: Root=1")
	s.call(t, "GET", "/ping", "")
	s.Close()
	var requests []string
	for line := range strings.Lines(s.log.String()) {
		var entry struct{ Level, Msg, Path, Client, Trace string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		requests = append(requests, strings.Join([]string{entry.Level, entry.Msg, entry.Path, entry.Client, entry.Trace}, " "))
	}
	if want := []string{"INFO request /auth/login  ", "INFO request /users/me 192.0.2.1 Root=1"}; !slices.Equal(requests, want) {
		t.Errorf("log %q, want %q", requests, want)
	}
	_, token, _ := strings.Cut(cookie, "=")
	for _, secret := range []string{token, demoPassword, "0123456789abcdef"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log contains %q", secret)
		}
	}
}
