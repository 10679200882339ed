package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// demoPassword is the password of every user; the page shows it.
const demoPassword = "starttech"

const (
	cookieName  = "session"
	maxBody     = 64 << 10 // bytes
	maxTitle    = 200      // characters
	nameAllowed = "1 to 40 letters, digits, spaces and . _ -, beginning with a letter or digit"
)

// userName excludes the colon, which separates the parts of a key in Redis.
var userName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,39}$`)

// api is the HTTP API.
type api struct {
	settings
	store store
	log   *slog.Logger
	now   func() time.Time
}

// failure is an error with a status code and a message for the client.
type failure struct {
	status  int
	message string
}

func (f failure) Error() string { return f.message }

// newAPI returns the handler of all routes. name is this process's name in the header X-Backend.
func newAPI(s settings, st store, log *slog.Logger, name string) http.Handler {
	a := api{settings: s, store: st, log: log, now: time.Now}
	mux := http.NewServeMux()
	handle := func(pattern string, handler func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := handler(w, r); err != nil {
				a.respondError(w, r, err)
			}
		})
	}
	forUser := func(pattern string, handler func(w http.ResponseWriter, r *http.Request, user claims) error) {
		handle(pattern, func(w http.ResponseWriter, r *http.Request) error {
			user, err := a.user(r)
			if err != nil {
				return err
			}
			return handler(w, r, user)
		})
	}
	handle("GET /ping", func(w http.ResponseWriter, _ *http.Request) error {
		if s.unhealthy {
			return failure{http.StatusServiceUnavailable, "DEMO_UNHEALTHY is set"}
		}
		return respond(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	handle("GET /health", a.health)
	handle("POST /auth/login", a.login)
	handle("POST /auth/logout", a.logout)
	forUser("GET /users/me", func(w http.ResponseWriter, _ *http.Request, user claims) error {
		return respond(w, http.StatusOK, map[string]any{"name": user.User, "expires": time.Unix(user.Expires, 0).UTC()})
	})
	forUser("GET /tasks", a.listTasks)
	forUser("POST /tasks", a.addTask)
	forUser("PATCH /tasks/{id}", a.changeTask)
	forUser("DELETE /tasks/{id}", a.deleteTask)
	if s.faults {
		handle("GET /tasks/fault", fault)
	}
	handle("/", func(_ http.ResponseWriter, r *http.Request) error {
		return failure{http.StatusNotFound, fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path)}
	})
	return a.logged(name, a.cors(mux))
}

// health checks the dependencies: Redis, if the cache is on.
func (a api) health(w http.ResponseWriter, r *http.Request) error {
	if !a.cache {
		return respond(w, http.StatusOK, map[string]string{"status": "ok", "redis": "not used as a cache"})
	}
	if err := a.store.ping(r.Context()); err != nil {
		a.log.Warn("redis does not answer", "error", err.Error())
		return respond(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "redis": "does not answer"})
	}
	return respond(w, http.StatusOK, map[string]string{"status": "ok", "redis": "ok"})
}

// login starts a session for any name, with the demo password.
func (a api) login(w http.ResponseWriter, r *http.Request) error {
	var given struct{ Name, Password string }
	if err := read(w, r, &given); err != nil {
		return err
	}
	given.Name = strings.TrimSpace(given.Name)
	if !userName.MatchString(given.Name) {
		return failure{http.StatusBadRequest, fmt.Sprintf("name is %q; allowed: %s", given.Name, nameAllowed)}
	}
	if subtle.ConstantTimeCompare([]byte(given.Password), []byte(demoPassword)) == 0 {
		return failure{http.StatusUnauthorized, "the password is wrong"}
	}
	session := claims{User: given.Name, Session: rand.Text(), Expires: a.now().Add(a.sessionLife).Unix()}
	if err := a.store.startSession(r.Context(), session.Session, session.User, a.sessionLife); err != nil {
		return err
	}
	a.setCookie(w, signToken(a.key, session), int(a.sessionLife.Seconds()))
	return respond(w, http.StatusOK, map[string]string{"name": session.User})
}

// logout ends the session, if there is one, and deletes the cookie.
func (a api) logout(w http.ResponseWriter, r *http.Request) error {
	session, err := a.user(r)
	var known failure
	if err == nil {
		err = a.store.endSession(r.Context(), session.Session)
	} else if errors.As(err, &known) {
		err = nil
	}
	if err != nil {
		return err
	}
	a.setCookie(w, "", -1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setCookie sets the session's cookie for each of the domains. A negative age deletes it.
func (a api) setCookie(w http.ResponseWriter, value string, age int) {
	domains := a.cookieDomains
	if len(domains) == 0 {
		domains = []string{""}
	}
	for _, domain := range domains {
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: value, Domain: domain, Path: "/", MaxAge: age,
			HttpOnly: true, Secure: a.secureCookie, SameSite: http.SameSiteLaxMode,
		})
	}
}

// user returns the session of a request. It fails with 401 if there is none.
func (a api) user(r *http.Request) (claims, error) {
	unauthorized := failure{http.StatusUnauthorized, "there is no session; log in first"}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return claims{}, unauthorized
	}
	session, err := verifyToken(a.key, cookie.Value, a.now())
	if err != nil {
		return claims{}, unauthorized
	}
	user, err := a.store.sessionUser(r.Context(), session.Session)
	if errors.Is(err, errNoSession) || err == nil && user != session.User {
		return claims{}, unauthorized
	}
	return session, err
}

func (a api) listTasks(w http.ResponseWriter, r *http.Request, user claims) error {
	tasks, cached, err := a.store.tasks(r.Context(), user.User)
	if err != nil {
		return err
	}
	cache := "miss"
	if cached {
		cache = "hit"
	}
	w.Header().Set("X-Cache", cache)
	return respond(w, http.StatusOK, map[string]any{"tasks": tasks, "cache": cache})
}

func (a api) addTask(w http.ResponseWriter, r *http.Request, user claims) error {
	var given struct{ Title string }
	if err := read(w, r, &given); err != nil {
		return err
	}
	if err := checkTitle(given.Title); err != nil {
		return err
	}
	added := task{ID: rand.Text()[:12], Title: strings.TrimSpace(given.Title), Created: a.now().UTC()}
	if err := a.store.addTask(r.Context(), user.User, added); err != nil {
		return err
	}
	return respond(w, http.StatusCreated, added)
}

func (a api) changeTask(w http.ResponseWriter, r *http.Request, user claims) error {
	var given struct {
		Title *string
		Done  *bool
	}
	if err := read(w, r, &given); err != nil {
		return err
	}
	if given.Title != nil {
		if err := checkTitle(*given.Title); err != nil {
			return err
		}
	}
	changed, err := a.store.changeTask(r.Context(), user.User, r.PathValue("id"), func(changed *task) {
		if given.Title != nil {
			changed.Title = strings.TrimSpace(*given.Title)
		}
		if given.Done != nil {
			changed.Done = *given.Done
		}
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, changed)
}

func (a api) deleteTask(w http.ResponseWriter, r *http.Request, user claims) error {
	if err := a.store.deleteTask(r.Context(), user.User, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func checkTitle(title string) error {
	if n := utf8.RuneCountInString(strings.TrimSpace(title)); n < 1 || n > maxTitle {
		return failure{http.StatusBadRequest, fmt.Sprintf("title has %d characters; allowed: 1 to %d", n, maxTitle)}
	}
	return nil
}

// read reads a JSON object from a request's body.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		return failure{http.StatusBadRequest, "the body is not a JSON object with the fields of this call"}
	}
	return nil
}

// respond writes a JSON response.
func respond(w http.ResponseWriter, status int, body any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(content, '\n')) // an error means that the client has gone
	return nil
}

// respondError writes an error as a JSON response. The client does not get the message of an error of Redis.
func (a api) respondError(w http.ResponseWriter, r *http.Request, err error) {
	var known failure
	switch {
	case errors.As(err, &known):
	case errors.Is(err, errNoTask):
		known = failure{http.StatusNotFound, fmt.Sprintf("there is no task %q", r.PathValue("id"))}
	case r.Context().Err() != nil:
		return // the client has gone
	default:
		a.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err.Error())
		known = failure{http.StatusServiceUnavailable, "the data is not available; try again"}
	}
	_ = respond(w, known.status, map[string]string{"error": known.message}) // a map of strings can be encoded
}
