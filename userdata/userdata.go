// Package userdata renders the boot script of a backend instance: assignments of the settings, followed by boot.sh.
package userdata

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/starttech/infrastructure/internal/tfstring"
)

//go:embed boot.sh
var boot string

//go:embed secrets.sh
var secrets string

// beforeSecrets is the line of boot.sh that secrets.sh follows.
const beforeSecrets = "\nrun decode_parameters\n"

// NoRelease is the value of the release parameter before the first release.
const NoRelease = "none"

// shebang is the first line of boot.sh and of every rendered script. cloud-init runs user data as a script only if it starts
// with a shebang.
const shebang = "#!/bin/bash\n"

// Settings configures the boot script of one environment's instances. No value may be secret: every principal that may
// describe an instance can read its user data. Values may contain Terraform references, such as
// ${aws_ecr_repository.backend.repository_url}, but no newlines.
type Settings struct {
	Region           string // AWS region: "eu-west-1"
	RepositoryURL    string // ECR repository of the image, without a tag
	ReleaseParameter string // SSM parameter with the image tag to run; its value is "none" before the first release
	ParameterPath    string // each SSM parameter under it is an environment variable, named after its last component
	LogGroup         string // log group of the container and of boot failures
	Port             int    // port of the backend; at least 1024, because the placeholder does not run as root
	HealthCheckPath  string // the only path for which the placeholder returns 200; no spaces, quotes, % or $

	// DockerBridge is the address of Docker's bridge with its netmask, "192.168.127.1/24"; empty: Docker's default.
	DockerBridge string

	Agent Agent
	// Secrets is the names of secrets in Secrets Manager. The value of each is a JSON object of environment variables. Without them, the script
	// has no word of secrets.
	Secrets []string

	// Environment contains the environment variables that Terraform sets (REDIS_ADDR, ALLOWED_ORIGINS, ...). A parameter
	// with the same name overrides a variable. PORT is always set to Port.
	Environment map[string]string
}

// Script returns the boot script.
func Script(s Settings) string {
	return shebang + assignments(s, s.Agent.configuration(s.Region)) + body(s)
}

// Template returns the boot script as a Terraform template. Terraform replaces the references in the settings. The shell
// expansions in boot.sh, which have the same syntax, are escaped.
func Template(s Settings) string {
	return shebang + assignments(s, *tfstring.Escape(s.Agent.configuration(s.Region))) + *tfstring.Escape(body(s))
}

// commentLine matches a line that is a comment.
var commentLine = regexp.MustCompile(`(?m)^[ \t]*#.*\n`)

// body is the script after the assignments. Without an agent and secrets, nothing in it is about them. With an agent, it has no comments, because
// user data holds 16 KB (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html).
func body(s Settings) string {
	script := strings.TrimPrefix(boot, shebang)
	if len(s.Secrets) > 0 {
		_, code, _ := strings.Cut(secrets, "\n\n") // without its comment
		script = strings.Replace(script, beforeSecrets, beforeSecrets+code, 1)
	}
	if s.Agent.isEmpty() {
		return script
	}
	return commentLine.ReplaceAllString(script+startAgent, "")
}

func assignments(s Settings, agentConfiguration string) string {
	var environment []string
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		environment = append(environment, name+"="+s.Environment[name])
	}

	type setting struct{ name, value string }
	settings := []setting{
		{"REGION", s.Region},
		{"REPOSITORY_URL", s.RepositoryURL},
		{"RELEASE_PARAMETER", s.ReleaseParameter},
		{"PARAMETER_PATH", s.ParameterPath},
		{"LOG_GROUP", s.LogGroup},
		{"PORT", strconv.Itoa(s.Port)},
		{"HEALTH_CHECK_PATH", s.HealthCheckPath},
		{"DOCKER_BRIDGE", s.DockerBridge},
		{"ENVIRONMENT", strings.Join(environment, "\n")},
	}
	if !s.Agent.isEmpty() {
		settings = append(settings, setting{"AGENT_CONFIG", agentConfiguration})
	}
	if len(s.Secrets) > 0 {
		settings = append(settings, setting{"SECRETS", strings.Join(s.Secrets, "\n")})
	}
	var b strings.Builder
	for _, setting := range settings {
		fmt.Fprintf(&b, "%s=%s\n", setting.name, quote(setting.value))
	}

	return b.String()
}

// quote returns a value in single quotes for the shell.
func quote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
