package main

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// cors refuses requests of pages of other origins, unless ALLOWED_ORIGINS lists the origin. A page of the same host as the API is of
// the same origin. Requests without Origin do not come from a page's script.
func (a api) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		w.Header().Add("Vary", "Origin")
		parsed, err := url.Parse(origin)
		switch {
		case origin == "" || err == nil && parsed.Host == r.Host:
			next.ServeHTTP(w, r)
			return
		case !slices.Contains(a.origins, origin):
			a.respondError(w, r, failure{http.StatusForbidden, "the origin is not allowed"})
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Access-Control-Expose-Headers", "X-Backend, X-Cache")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE")
			w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
			w.Header().Set("Access-Control-Max-Age", "600") // seconds
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// logged logs each request. A response contains the name of the process, and is not cached.
func (a api) logged(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		w.Header().Set("X-Backend", name)
		w.Header().Set("Cache-Control", "no-store")
		recorded := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorded, r)
		level := slog.LevelInfo
		switch {
		case recorded.status >= http.StatusInternalServerError:
			level = slog.LevelError
		case r.URL.Path == "/ping" || r.URL.Path == "/health": // every few seconds
			level = slog.LevelDebug
		}
		a.log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", recorded.status,
			"milliseconds", time.Since(begin).Milliseconds(), "client", r.Header.Get("X-Forwarded-For"), "trace", r.Header.Get("X-Amzn-Trace-Id"))
	})
}

// recorder records the status code of a response.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
