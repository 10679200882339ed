package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const envFile = `# written at boot
PORT=9000
JWT_SECRET_KEY=from=the file "quoted"
ENABLE_CACHE=true
REDIS_ADDR=redis.example:6379
LOG_FORMAT=json
LOG_LEVEL=WARN
ALLOWED_ORIGINS=https://a.example, https://b.example,
COOKIE_DOMAINS=a.example
SECURE_COOKIE=true
JWT_EXPIRATION_HOURS=2
REDIS_PASSWORD=pass
DEMO_FAULTS=true
`

func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte(envFile), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := settings{
		envFile: true, port: 9000, key: []byte(`from=the file "quoted"`), sessionLife: 2 * time.Hour, cache: true,
		redisAddress: "redis.example:6379", redisPassword: "pass", logLevel: 4, logJSON: true,
		cookieDomains: []string{"a.example"}, secureCookie: true,
		origins: []string{"https://a.example", "https://b.example"}, faults: true,
	}
	overridden := fromFile
	overridden.port = 9001
	for name, test := range map[string]struct {
		file        string
		environment map[string]string
		want        settings
	}{
		"defaults": {"missing", map[string]string{"JWT_SECRET_KEY": "0123456789abcdef"}, settings{
			port: 8080, key: []byte("0123456789abcdef"), sessionLife: 72 * time.Hour, redisAddress: "localhost:6379",
		}},
		"only a file":                      {file, nil, fromFile},
		"the environment takes precedence": {file, map[string]string{"PORT": "9001", "REDIS_ADDR": ""}, overridden},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := loadSettings(test.file, lookupIn(test.environment))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

func TestInvalidSettingIsReported(t *testing.T) {
	for variable, want := range map[string]string{
		"PORT=70000":             `PORT is "70000"; allowed: a number from 1 to 65535`,
		"JWT_SECRET_KEY=short":   "JWT_SECRET_KEY is missing, or shorter than 16 characters",
		"JWT_EXPIRATION_HOURS=0": `JWT_EXPIRATION_HOURS is "0"; allowed: a number from 1 to 8760`,
		"ENABLE_CACHE=yes":       `ENABLE_CACHE is "yes"; allowed: true, false`,
		"SECURE_COOKIE=on":       `SECURE_COOKIE is "on"; allowed: true, false`,
		"LOG_LEVEL=TRACE":        `LOG_LEVEL is "TRACE"; allowed: DEBUG, INFO, WARN, ERROR`,
		"LOG_FORMAT=xml":         `LOG_FORMAT is "xml"; allowed: text, json`,
	} {
		name, value, _ := strings.Cut(variable, "=")
		variables := map[string]string{"JWT_SECRET_KEY": "0123456789abcdef"}
		maps.Copy(variables, map[string]string{name: value})
		if _, err := loadSettings("missing", lookupIn(variables)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", variable, err, want)
		}
	}
}
