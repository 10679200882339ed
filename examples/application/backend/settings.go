package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"
)

// settings is the environment variables of the application.
type settings struct {
	envFile       bool   // whether there is a .env file
	host          string // HOST; empty: all interfaces
	port          int    // PORT, default 8080
	key           []byte
	sessionLife   time.Duration // JWT_EXPIRATION_HOURS, default 72
	cache         bool          // ENABLE_CACHE
	redisAddress  string        // REDIS_ADDR, host:port, default localhost:6379
	redisPassword string        // REDIS_PASSWORD
	logLevel      slog.Level    // LOG_LEVEL: DEBUG, INFO, WARN, ERROR; default INFO
	logJSON       bool          // LOG_FORMAT: json or text; default text
	cookieDomains []string      // COOKIE_DOMAINS, separated by commas; none: the cookie is for the request's host only
	secureCookie  bool          // SECURE_COOKIE
	origins       []string      // ALLOWED_ORIGINS, separated by commas
	unhealthy     bool          // DEMO_UNHEALTHY: /ping fails
	faults        bool          // DEMO_FAULTS: serve /tasks/fault
}

// loadSettings reads the settings from a .env file, which may be missing, and from the environment. The environment takes
// precedence.
func loadSettings(envFile string, lookup func(string) (string, bool)) (settings, error) {
	file, err := readEnvFile(envFile)
	if err != nil {
		return settings{}, err
	}
	get := func(name, fallback string) string {
		if value, ok := lookup(name); ok && value != "" {
			return value
		}
		if value := file[name]; value != "" {
			return value
		}
		return fallback
	}
	var invalid error // the first
	check := func(name, value, allowed string, err error) {
		if err != nil && invalid == nil {
			invalid = fmt.Errorf("%s is %q; allowed: %s", name, value, allowed)
		}
	}
	number := func(name, fallback string, highest int) int {
		value := get(name, fallback)
		n, err := strconv.Atoi(value)
		if err == nil && (n < 1 || n > highest) {
			err = strconv.ErrRange
		}
		check(name, value, "a number from 1 to "+strconv.Itoa(highest), err)
		return n
	}
	boolean := func(name string) bool {
		value := get(name, "false")
		is, err := strconv.ParseBool(value)
		check(name, value, "true, false", err)
		return is
	}
	oneOf := func(name, fallback string, allowed ...string) string {
		value := get(name, fallback)
		for _, each := range allowed {
			if strings.EqualFold(value, each) {
				return each
			}
		}
		check(name, value, strings.Join(allowed, ", "), errors.ErrUnsupported)
		return fallback
	}

	s := settings{
		envFile:       file != nil,
		host:          get("HOST", ""),
		port:          number("PORT", "8080", 65535),
		key:           []byte(get("JWT_SECRET_KEY", "")),
		sessionLife:   time.Duration(number("JWT_EXPIRATION_HOURS", "72", 8760)) * time.Hour,
		cache:         boolean("ENABLE_CACHE"),
		redisAddress:  get("REDIS_ADDR", "localhost:6379"),
		redisPassword: get("REDIS_PASSWORD", ""),
		logJSON:       oneOf("LOG_FORMAT", "text", "text", "json") == "json",
		cookieDomains: list(get("COOKIE_DOMAINS", "")),
		secureCookie:  boolean("SECURE_COOKIE"),
		origins:       list(get("ALLOWED_ORIGINS", "")),
		unhealthy:     boolean("DEMO_UNHEALTHY"),
		faults:        boolean("DEMO_FAULTS"),
	}
	level := oneOf("LOG_LEVEL", "INFO", "DEBUG", "INFO", "WARN", "ERROR")
	if invalid == nil {
		invalid = s.logLevel.UnmarshalText([]byte(level))
	}
	if invalid == nil && len(s.key) < 16 {
		invalid = errors.New("JWT_SECRET_KEY is missing, or shorter than 16 characters")
	}
	return s, invalid
}

// readEnvFile reads KEY=value lines, as docker run --env-file does: a line that begins with # is a comment, and quotes are part of
// the value. It returns nil if there is no such file.
func readEnvFile(name string) (map[string]string, error) {
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\r\n")
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(key, "#") {
			values[strings.TrimSpace(key)] = value
		}
	}
	return values, nil
}

// list splits comma-separated values, and drops empty ones.
func list(value string) []string {
	var values []string
	for each := range strings.SplitSeq(value, ",") {
		if each = strings.TrimSpace(each); each != "" {
			values = append(values, each)
		}
	}
	return values
}
