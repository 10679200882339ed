// Package userdata is the boot script of a backend instance: boot.sh, and the settings that go above it.
package userdata

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/starttech/infrastructure/internal/tfstring"
)

//go:embed boot.sh
var boot string

// NoRelease is the value of the release parameter before the first release.
const NoRelease = "none"

// shebang is the first line of boot.sh, and of every script made of it: without it, cloud-init takes user data for
// something else.
const shebang = "#!/bin/bash\n"

// Settings is what one environment's instances boot with. None of it may be secret: whoever may describe an instance can
// read its user data. Any value may hold Terraform references, such as ${aws_ecr_repository.backend.repository_url}.
// None may hold a newline.
type Settings struct {
	Region           string // "eu-west-1"
	RepositoryURL    string // ECR repository of the image, without a tag
	ReleaseParameter string // name of the parameter that holds the tag to run; its value is "none" before the first release
	ParameterPath    string // every parameter below it becomes a variable of the backend, named by its last component
	LogGroup         string // log group of the container, and of the last words of a boot that failed
	Port             int    // where the backend listens; 1024 or above, since the placeholder does not run as root
	HealthCheckPath  string // the only path on which the placeholder answers 200; no spaces, quotes, % or $

	// Environment holds the variables that Terraform knows (REDIS_ADDR, ALLOWED_ORIGINS, ...). A parameter of the same
	// name wins over it. PORT is always there, and is Port.
	Environment map[string]string
}

// Script returns the script as an instance runs it.
func Script(s Settings) string {
	return shebang + assignments(s) + body()
}

// Template returns the script as a Terraform template. Terraform fills in the references in the settings, and leaves
// alone what the shell writes in the same way.
func Template(s Settings) string {
	return shebang + assignments(s) + *tfstring.Escape(body())
}

func body() string {
	return strings.TrimPrefix(boot, shebang)
}

func assignments(s Settings) string {
	var environment []string
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		environment = append(environment, name+"="+s.Environment[name])
	}

	var b strings.Builder
	for _, setting := range []struct{ name, value string }{
		{"REGION", s.Region},
		{"REPOSITORY_URL", s.RepositoryURL},
		{"RELEASE_PARAMETER", s.ReleaseParameter},
		{"PARAMETER_PATH", s.ParameterPath},
		{"LOG_GROUP", s.LogGroup},
		{"PORT", strconv.Itoa(s.Port)},
		{"HEALTH_CHECK_PATH", s.HealthCheckPath},
		{"ENVIRONMENT", strings.Join(environment, "\n")},
	} {
		fmt.Fprintf(&b, "%s=%s\n", setting.name, quote(setting.value))
	}

	return b.String()
}

// quote makes a value one word of the shell, in which nothing but the single quote itself has a meaning.
func quote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
