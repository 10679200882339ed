package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// boot runs user data with Docker installed, waits until it has finished, and returns the console.
func boot(t *testing.T, aws *fakeAWS, commands string) string {
	t.Helper()
	m := powerOnMachine(t, aws, "2023", "#!/bin/bash\ndnf install -y docker\nsystemctl start docker\n"+
		"aws ecr get-login-password | docker login -u AWS --password-stdin "+strings.TrimSuffix(repository, "/backend")+"\n"+commands+"\necho end of the commands\n")
	m.waitFor("end of the commands\n", 1) // init does not wait for the output before it reports the end of the user data
	m.waitFor("user data finished", 1)
	return m.console.String()
}

func TestUnsupportedCommandsAreRefused(t *testing.T) {
	t.Parallel()
	const unsupported = " supported on the local AWS"
	wants := map[string]string{
		"docker run --rm --privileged IMAGE":             "docker: run: unknown flag: --privileged; not" + unsupported,
		"docker run --rm --network host IMAGE":           "docker: run: unknown flag: --network; not" + unsupported,
		"docker run --rm -d IMAGE":                       "docker: run: unknown shorthand flag: 'd' in -d; not" + unsupported,
		"docker run IMAGE":                               "docker: run: --rm is required on the local AWS",
		"docker run --rm --security-opt seccomp=x IMAGE": "docker: run: --security-opt seccomp=x is not" + unsupported,
		"docker run --rm --cap-drop NET_RAW IMAGE":       "docker: run: --cap-drop NET_RAW is not" + unsupported,
		"docker run --rm --memory 1t IMAGE":              "docker: run: --memory 1t is not a number of bytes with the unit b, k, m or g",
		"docker run --rm --volume /etc:/etc IMAGE":       "docker: run: --volume /etc:/etc: only FILE:PATH:ro is" + unsupported,
		"docker run --rm -p 127.0.0.1:80:80 IMAGE":       "docker: run: --publish 127.0.0.1:80:80: only PORT:PORT is" + unsupported,
		"docker run --rm --log-driver syslog IMAGE":      "docker: run: --log-driver syslog is not" + unsupported,
		"docker run --rm IMAGE-2":                        "docker: run: no such image: IMAGE-2; pull it first",
		"docker pull --platform x IMAGE":                 "docker: pull: unknown flag: --platform; not" + unsupported,
		"docker pull ubuntu":                             "registry index.docker.io does not exist on the local AWS",
		"docker build .":                                 `docker: "build .": only docker inspect, login, pull, rm, run and stop`,
		"docker rm --force backend":                      "docker: rm: no such container: backend",
		"docker login -u AWS --password-stdin HOST <<<x": "failed with status: 401 Unauthorized",
		"systemctl mask docker":                          "systemctl: command mask is not" + unsupported,
		"systemctl enable --now docker":                  "systemctl: option --now is not" + unsupported,
		"systemctl start nothing":                        "systemctl: failed to start nothing: unit nothing.service not found",
		"dnf install -y nginx":                           "dnf: install -y nginx: only install -y of docker or amazon-cloudwatch-agent is" + unsupported,
	}
	replacer := strings.NewReplacer("IMAGE", repository+":v1", "HOST", strings.TrimSuffix(repository, "/backend"))
	var commands strings.Builder
	commands.WriteString("docker pull IMAGE\n")
	for command := range wants {
		fmt.Fprintf(&commands, "%s && echo 'no error: %[1]s'\n", command)
	}
	commands.WriteString("systemctl stop docker; docker pull IMAGE && echo 'no error: pull without a daemon'\n")
	console := boot(t, newFakeAWS(t), replacer.Replace(commands.String()))
	for command, want := range wants {
		if want = replacer.Replace(want); strings.Count(console, want) != 1 {
			t.Errorf("%s: the console does not contain %q", command, want)
		}
	}
	if strings.Contains(console, "no error") || !strings.Contains(console, "docker: cannot connect to the Docker daemon") || t.Failed() {
		t.Errorf("console:\n%s", console)
	}
}

func TestContainerIsStoppedAndRemoved(t *testing.T) {
	t.Parallel()
	image := repository + ":v1"
	console := boot(t, newFakeAWS(t), "docker pull "+image+"\n"+`
docker inspect --format '{{.Config.WorkingDir}} {{.Config.Env}}' `+image+`
run() { docker run --rm --name backend -p 8080:8080 `+image+`; echo "exit status $?."; }
start() { run >"$ROOT/output.$1" & until grep -qs 'application starts' "$ROOT/output.$1"; do sleep 1; done; }
start 1
docker run --rm --name backend `+image+`
docker stop backend; wait $!
start 2
docker rm --force backend; wait $!
cat "$ROOT"/output.*
ls "$ROOT/var/lib/docker/containers" | wc -l
`)
	for _, want := range []string{
		"/srv [BASE=image]\n", "the container name \"backend\" is already in use", "exit status 0.", "exit status 137.", "\n0\n",
	} {
		if !strings.Contains(console, want) {
			t.Errorf("the console does not contain %q", want)
		}
	}
	if t.Failed() {
		t.Logf("console:\n%s", console)
	}
}

func TestPullVerifiesDigests(t *testing.T) {
	t.Parallel()
	aws := newFakeAWS(t)
	aws.isCorrupt = true
	if console := boot(t, aws, "docker pull "+repository+":v1 && echo pulled\n"); strings.Contains(console, "\npulled\n") ||
		!strings.Contains(console, "docker: pull: error writing layer: error verifying sha256 checksum") {
		t.Errorf("a corrupt layer is pulled:\n%s", console)
	}
}

func TestUnitIsParsed(t *testing.T) {
	t.Parallel()
	const start = "[Service]\nExecStart=/bin/true\n"
	for content, want := range map[string]string{
		"[Service]\nRestart=no\n":          "x.service has no ExecStart",
		start + "PrivateTmp=yes\n":         "x.service: [Service] PrivateTmp is not supported on the local AWS",
		start + "Restart=on-abort\n":       `x.service: Restart: "on-abort" is not supported on the local AWS; allowed: no, on-failure, always`,
		start + "RestartSec=soon\n":        `x.service: RestartSec: "soon" is not a time span`,
		"[Service]\nExecStart=true\n":      `x.service: ExecStart: "true" does not start with the absolute path of a program`,
		"[Service]\nExecStart=/bin/a $B\n": `x.service: ExecStart: quotes, \, %, $ and ; are not supported on the local AWS`,
	} {
		file := filepath.Join(t.TempDir(), "x.service")
		must(t, os.WriteFile(file, []byte(content), 0o600))
		if _, err := loadUnit("x", file); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", content, err, want)
		}
	}
	for value, want := range map[string]time.Duration{"5": 5 * time.Second, "500ms": time.Second / 2, "2min": 2 * time.Minute} {
		if got, err := parseSpan(value); got != want || err != nil {
			t.Errorf("%s is %s (%v), want %s", value, got, err, want)
		}
	}
}
