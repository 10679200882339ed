package userdata_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/starttech/infrastructure/userdata"
)

// The script runs under the real bash, below a scratch root. PATH has nothing but the stand-ins in testdata/bin and the
// tools named here, so a command that Amazon Linux may lack does not creep in.
var tools = []string{
	"bash", "cat", "chmod", "cp", "date", "env", "install", "ln", "mktemp", "mv", "rm", "sed", "sort", "tail", "timeout", "tr",
}

// generation is what differs between the two Amazon Linuxes, as the script sees them.
type generation struct {
	name      string
	osRelease string
	installer string   // the command that installs Docker
	programs  []string // package managers
	python    string   // the only name of the only Python
	locale    string   // one that both exists and has UTF-8
}

var generations = []generation{
	{
		name:      "Amazon Linux 2",
		osRelease: "NAME=\"Amazon Linux\"\nVERSION=\"2\"\nID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\n",
		installer: "amazon-linux-extras install -y docker",
		programs:  []string{"amazon-linux-extras", "yum"},
		python:    "python",
		locale:    "en_US.UTF-8",
	},
	{
		name:      "Amazon Linux 2023",
		osRelease: "NAME=\"Amazon Linux\"\nVERSION=\"2023\"\nID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"\n",
		installer: "dnf install -y docker",
		programs:  []string{"dnf", "yum"},
		python:    "python3",
		locale:    "C.UTF-8",
	},
}

// onEach runs a test on every generation, each on a machine of its own.
func onEach(t *testing.T, test func(t *testing.T, m *machine)) {
	t.Helper()

	for _, g := range generations {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			test(t, newMachine(t, g))
		})
	}
}

const (
	registry   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	repository = registry + "/starttech-production-backend"
	release    = "0f5c1e7"
	image      = repository + ":" + release
	path       = "/starttech/production/backend"

	// Every secret begins with this, so that one search finds any of them where it should not be.
	secret   = "s3cr3t"
	mongoURI = "mongodb+srv://app:" + secret + "-p%40ss@cluster.example.net/?retryWrites=true&w=majority"
	jwtKey   = secret + ` "quoted" 'single' $HOME ${x} \n #hash	tab=ä€ end `

	// The CLI begins with an empty line, too.
	reason = `An error occurred (AccessDeniedException): "role\x" may not, said the service`

	awsOptions = " --region eu-west-1 --cli-connect-timeout 10"
	dockerRun  = "run --rm --name backend" +
		" --env-file ROOT/etc/starttech/backend.env --volume ROOT/etc/starttech/backend.env:/app/.env:ro" +
		" --publish 8080:8080 --security-opt no-new-privileges" +
		" --log-driver awslogs --log-opt awslogs-region=eu-west-1 --log-opt awslogs-group=/starttech/production/backend" +
		" --log-opt awslogs-stream=i-0123456789abcdef0/" + release +
		" --log-opt mode=non-blocking --log-opt max-buffer-size=25m " + image

	// The parameters' LOG_LEVEL wins over the settings'.
	environment = `ALLOWED_ORIGINS=https://d111111abcdef8.cloudfront.net
COOKIE_DOMAINS=d111111abcdef8.cloudfront.net
ENABLE_CACHE=true
JWT_SECRET_KEY=` + jwtKey + `
LOG_FORMAT=json
LOG_LEVEL=DEBUG
MONGO_URI=` + mongoURI + `
PORT=8080
REDIS_ADDR=starttech-production.abc123.ng.0001.euw1.cache.amazonaws.com:6379
SECURE_COOKIE=true
`
)

func production() userdata.Settings {
	return userdata.Settings{
		Region:           "eu-west-1",
		RepositoryURL:    repository,
		ReleaseParameter: "/starttech/production/release",
		ParameterPath:    path,
		LogGroup:         "/starttech/production/backend",
		Port:             8080,
		HealthCheckPath:  "/ping",
		Environment: map[string]string{
			"REDIS_ADDR":      "starttech-production.abc123.ng.0001.euw1.cache.amazonaws.com:6379",
			"ALLOWED_ORIGINS": "https://d111111abcdef8.cloudfront.net",
			"COOKIE_DOMAINS":  "d111111abcdef8.cloudfront.net",
			"SECURE_COOKIE":   "true",
			"LOG_LEVEL":       "INFO",
			"LOG_FORMAT":      "json",
			"ENABLE_CACHE":    "true",
		},
	}
}

// machine is an instance before or after its boot.
type machine struct {
	t                *testing.T
	generation       generation
	settings         userdata.Settings
	root, state, bin string
}

// newMachine returns an instance for which there is a release, and whose network works.
func newMachine(t *testing.T, g generation) *machine {
	t.Helper()

	folder := t.TempDir()
	m := &machine{
		t: t, generation: g, settings: production(),
		root: filepath.Join(folder, "root"), state: filepath.Join(folder, "state"), bin: filepath.Join(folder, "bin"),
	}

	for _, name := range []string{
		"root/etc/systemd/system", "root/run", "root/usr/local/lib", "root/var/lib/cloud/data", "state/fail", "bin",
	} {
		m.must(os.MkdirAll(filepath.Join(folder, name), 0o755))
	}

	for _, name := range tools {
		tool, err := exec.LookPath(name)
		m.must(err)
		m.must(os.Symlink(tool, filepath.Join(m.bin, name)))
	}

	for _, name := range append([]string{"aws", "sleep", "systemctl"}, g.programs...) {
		m.must(os.Symlink(filepath.Join(standIns(), "bin", name), filepath.Join(m.bin, name)))
	}

	interpreter := python3()
	if older := python27(); g.python == "python" && older != "" {
		interpreter = older
	}

	m.must(os.Symlink(interpreter, filepath.Join(m.bin, g.python)))

	m.write("root/etc/os-release", g.osRelease)
	m.write("root/var/lib/cloud/data/instance-id", "i-0123456789abcdef0\n")
	m.write("state/release", release+"\n")
	m.write("state/parameters",
		path+"/MONGO_URI\t"+mongoURI+"\t.\n"+path+"/JWT_SECRET_KEY\t"+jwtKey+"\t.\n"+path+"/cache/LOG_LEVEL\tDEBUG\t.\n")
	m.write("state/password", secret+"-of-the-registry\n")
	m.write("state/working-directory", "/app\n")
	m.write("state/reason", "\n"+reason+"\n\n")

	t.Cleanup(m.stopPlaceholder)

	return m
}

func (m *machine) must(err error) {
	m.t.Helper()

	if err != nil {
		m.t.Fatal(err)
	}
}

// file is a path below the machine's folder: root/ is the instance's, state/ the stand-ins'.
func (m *machine) file(name string) string {
	return filepath.Join(filepath.Dir(m.root), filepath.FromSlash(name))
}

func (m *machine) write(name, content string) {
	m.t.Helper()
	m.must(os.WriteFile(m.file(name), []byte(content), 0o644))
}

// read returns a file's content, and ROOT for the scratch root and BIN for the folder of its programs.
func (m *machine) read(name string) string {
	m.t.Helper()

	content, err := os.ReadFile(m.file(name))
	m.must(err)

	return strings.NewReplacer(m.root, "ROOT", m.bin, "BIN").Replace(string(content))
}

// fails makes the next calls fail, as many as times says.
func (m *machine) fails(call string, times int) {
	m.t.Helper()
	m.write("state/fail/"+call, strconv.Itoa(times)+"\n")
}

const forGood = 1000

// boot runs the script, whatever its outcome, and returns what it printed and its exit status. Whatever the outcome, no
// secret is where it should not be, and nothing temporary is left.
func (m *machine) boot() (string, int) {
	m.t.Helper()
	m.write("state/calls", "")
	m.write("state/script", userdata.Script(m.settings))

	command := exec.CommandContext(m.t.Context(), filepath.Join(m.bin, "bash"), m.file("state/script"))
	// No HOME: cloud-init sets none.
	command.Env = []string{
		"PATH=" + m.bin, "ROOT=" + m.root, "BIN=" + m.bin, "STATE=" + m.state, "STAND_INS=" + standIns(),
	}

	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}

	m.keepsSecrets(string(output))

	return string(output), command.ProcessState.ExitCode()
}

// boots runs the script, which has to succeed, and returns what it printed.
func (m *machine) boots() string {
	m.t.Helper()

	output, status := m.boot()
	if status != 0 {
		m.t.Fatalf("exit status %d:\n%s", status, output)
	}

	return output
}

func (m *machine) keepsSecrets(output string) {
	m.t.Helper()

	if strings.Contains(output, secret) {
		m.t.Errorf("a secret was printed:\n%s", output)
	}

	if calls := m.read("state/calls"); strings.Contains(calls, secret) {
		m.t.Errorf("a secret was an argument, which the list of processes shows:\n%s", calls)
	}

	for name, file := range m.files() {
		if name != "etc/starttech/backend.env" && strings.Contains(file, secret) {
			m.t.Errorf("%s holds a secret", name)
		}

		if strings.HasPrefix(name, "run/") || temporary.MatchString(name) {
			m.t.Errorf("%s was left behind", name)
		}
	}
}

// temporary is what mktemp puts at the end of a name.
var temporary = regexp.MustCompile(`\.[A-Za-z0-9]{6}$`)

// files returns mode and content of every file below the root.
func (m *machine) files() map[string]string {
	m.t.Helper()

	files := map[string]string{}
	m.must(filepath.WalkDir(m.root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		info, err := entry.Info()
		if err != nil {
			return err
		}

		name, err := filepath.Rel(m.root, file)
		if err != nil {
			return err
		}

		content := []byte{}
		if entry.Type().IsRegular() {
			content, err = os.ReadFile(file)
		}

		files[filepath.ToSlash(name)] = info.Mode().String() + " " + string(content)

		return err
	}))

	delete(files, "run")

	return files
}

// calls returns the calls of the last boot that begin with one of the given words, all of them for none.
func (m *machine) calls(beginnings ...string) []string {
	m.t.Helper()

	var calls []string
	for call := range strings.Lines(m.read("state/calls")) {
		call = strings.TrimSuffix(call, "\n")
		begins := func(beginning string) bool { return strings.HasPrefix(call, beginning) }

		if len(beginnings) == 0 || slices.ContainsFunc(beginnings, begins) {
			calls = append(calls, call)
		}
	}

	return calls
}

func (m *machine) exists(name string) bool {
	_, err := os.Stat(m.file(name))

	return err == nil
}

func (m *machine) stopPlaceholder() {
	content, err := os.ReadFile(m.file("state/starttech-placeholder.pid"))
	if err != nil {
		return // it was never started, or is stopped already
	}

	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	m.must(err)

	// The stand-in's timeout leads a group of processes, unless the test failed before it came to that.
	for _, id := range []int{-pid, pid} {
		if err := syscall.Kill(id, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			m.t.Error(err)
		}
	}

	m.listensNoMore()
}

// listensNoMore waits until nothing listens on the backend's port.
func (m *machine) listensNoMore() {
	m.t.Helper()

	soon(m.t, func() error {
		connection, err := net.Dial("tcp", m.address())
		if err != nil {
			return nil
		}

		return errors.Join(fmt.Errorf("%s still accepts connections", m.address()), connection.Close())
	})
}

// soon tries until there is no error; it gives up after 10 s.
func soon(t *testing.T, try func() error) {
	t.Helper()

	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}

	t.Error(err)
}

var standIns = sync.OnceValue(func() string {
	folder, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}

	return folder
})

// python3 and python27 are the interpreters themselves. What PATH has may be a version manager's shim, which fails when
// called by another name.
var (
	python3  = sync.OnceValue(func() string { return interpreter("python3") })
	python27 = sync.OnceValue(func() string {
		managed, _ := filepath.Glob(os.ExpandEnv("$HOME/.pyenv/versions/2.7.*/bin/python2.7"))

		return interpreter(append(managed, "python2.7", "python2")...)
	})
)

func interpreter(candidates ...string) string {
	for _, candidate := range candidates {
		output, err := exec.Command(candidate, "-c", "import sys; print(sys.executable)").Output()
		if err == nil {
			return strings.TrimSpace(string(output))
		}
	}

	return ""
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()

	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

func equalLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	equal(t, what, strings.Join(got, "\n"), strings.Join(want, "\n"))
}

func contains(t *testing.T, what, got, want string) {
	t.Helper()

	if !strings.Contains(got, want) {
		t.Errorf("%s:\n%s\nlacks:\n%s", what, got, want)
	}
}

func TestAReleaseIsPulledAndRun(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		output := m.boots()

		equalLines(t, "calls", m.calls(), []string{
			m.generation.installer,
			"systemctl enable docker",
			"systemctl start docker",
			"aws ssm get-parameter --name /starttech/production/release --query Parameter.Value --output text" + awsOptions,
			"aws ssm get-parameters-by-path --path " + path + " --recursive --with-decryption" +
				" --query Parameters[].[Name,Value,'.'] --output text" + awsOptions,
			"aws ecr get-login-password" + awsOptions,
			"docker login --username AWS --password-stdin " + registry,
			"docker pull " + image,
			"docker inspect --format {{.Config.WorkingDir}} " + image,
			"systemctl daemon-reload",
			"systemctl enable starttech-backend",
			"systemctl restart starttech-backend",
			"docker rm --force backend",
			"docker " + dockerRun,
		})
		equal(t, "password on docker login's standard input", m.read("state/login"), secret+"-of-the-registry")

		stamp := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ `)
		if got, want := len(stamp.FindAllString(output, -1)), strings.Count(output, "\n"); got != want {
			t.Errorf("%d of %d lines have a UTC timestamp:\n%s", got, want, output)
		}

		equalLines(t, "steps", strings.Split(stamp.ReplaceAllString(strings.TrimSpace(output), ""), "\n"), []string{
			"identify the instance",
			"install Docker",
			"start Docker",
			"read /starttech/production/release",
			"read the parameters below " + path,
			"variables: ALLOWED_ORIGINS COOKIE_DOMAINS ENABLE_CACHE JWT_SECRET_KEY LOG_FORMAT LOG_LEVEL MONGO_URI PORT" +
				" REDIS_ADDR SECURE_COOKIE",
			"pull " + image,
			"start the backend",
			"boot complete: " + release,
		})
	})
}

func TestTheEnvironmentFileHoldsTerraformsVariablesAndTheOperatorsParametersWin(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.boots()

		equal(t, "backend.env", m.read("root/etc/starttech/backend.env"), environment)
	})
}

func TestTheEnvironmentFileHoldsTheDefaultsIfThereAreNoParameters(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.settings.Environment = nil
		m.write("state/parameters", "")
		m.boots()
		equal(t, "backend.env", m.read("root/etc/starttech/backend.env"), "PORT=8080\n")
	})
}

func TestOnlyRootReachesTheEnvironmentFileAndTheContainersUserMayReadIt(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.boots()

		for name, want := range map[string]fs.FileMode{
			"etc/starttech":                                0o700 | fs.ModeDir,
			"etc/starttech/backend.env":                    0o444,
			"etc/systemd/system/starttech-backend.service": 0o644,
		} {
			info, err := os.Stat(filepath.Join(m.root, name))
			m.must(err)

			if info.Mode() != want {
				t.Errorf("%s is %s, want %s", name, info.Mode(), want)
			}
		}

		equal(t, "umask", m.read("state/umask"), "0077\n")
	})
}

func TestTheCLIRunsInALocaleThatHasEveryCharacter(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.boots()
		equal(t, "LC_ALL", m.read("state/locale"), m.generation.locale+"\n")
	})
}

func TestSystemdRestartsTheBackendForEver(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.boots()

		equal(t, "unit", m.read("root/etc/systemd/system/starttech-backend.service"), `[Unit]
Description=StartTech backend 0f5c1e7
Wants=docker.service
After=docker.service

[Service]
ExecStartPre=-BIN/docker rm --force backend
ExecStart=BIN/docker run --rm --name backend \
  --env-file ROOT/etc/starttech/backend.env --volume ROOT/etc/starttech/backend.env:/app/.env:ro \
  --publish 8080:8080 --security-opt no-new-privileges \
  --log-driver awslogs --log-opt awslogs-region=eu-west-1 --log-opt awslogs-group=/starttech/production/backend \
  --log-opt awslogs-stream=i-0123456789abcdef0/0f5c1e7 --log-opt mode=non-blocking --log-opt max-buffer-size=25m \
  123456789012.dkr.ecr.eu-west-1.amazonaws.com/starttech-production-backend:0f5c1e7
Restart=always
RestartSec=5
StartLimitInterval=0
StandardOutput=null
StandardError=journal

[Install]
WantedBy=multi-user.target
`)
	})
}

func TestTheContainerGetsTheEnvironmentFileTwice(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ name, workingDirectory, mountpoint string }{
		{"in the image's working directory", "/srv/app-1.0\n", "/srv/app-1.0/.env:ro\n"},
		{"in the root if the image names no working directory", "\n", "/.env:ro\n"},
		{"in the root if that is the working directory", "/\n", "/.env:ro\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			onEach(t, func(t *testing.T, m *machine) {
				m.write("state/working-directory", test.workingDirectory)
				m.boots()

				file := m.read("root/etc/starttech/backend.env")
				equal(t, "--env-file", m.read("state/container.environment"), file)
				equal(t, "mounted file", m.read("state/container.mount"), file)
				equal(t, "mounted at", m.read("state/container.mountpoint"), test.mountpoint)
			})
		})
	}
}

func TestDockerIsInstalledOnlyIfMissing(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.must(os.Symlink(filepath.Join(standIns(), "bin", "docker"), filepath.Join(m.bin, "docker")))
		m.boots()
		equalLines(t, "installs", m.calls("amazon-linux-extras", "yum", "dnf"), nil)
		equalLines(t, "calls on Docker's service", m.calls("systemctl")[:2],
			[]string{"systemctl enable docker", "systemctl start docker"})
	})
}

func TestDockerComesFromYumIfAmazonLinux2LacksItsExtras(t *testing.T) {
	t.Parallel()

	m := newMachine(t, generations[0])
	m.must(os.Remove(filepath.Join(m.bin, "amazon-linux-extras")))
	m.boots()
	equalLines(t, "installs", m.calls("amazon-linux-extras", "yum", "dnf"), []string{"yum install -y docker"})
}

func TestTheBootEndsTheSameIfAStepOfTheNetworkFailsTwice(t *testing.T) {
	t.Parallel()

	for _, call := range []string{
		"INSTALLER-install", "aws-ssm-get-parameter", "aws-ssm-get-parameters-by-path", "aws-ecr-get-login-password",
		"docker-login", "docker-pull",
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()

			onEach(t, func(t *testing.T, m *machine) {
				call := strings.Replace(call, "INSTALLER", strings.Fields(m.generation.installer)[0], 1)
				m.fails(call, 2)
				m.boots()

				equalLines(t, "waits", m.calls("sleep"), []string{"sleep 2", "sleep 4"})
				equalLines(t, "containers", m.calls("docker run"), []string{"docker " + dockerRun})
				equal(t, "backend.env", m.read("root/etc/starttech/backend.env"), environment)
				equalLines(t, "calls to CloudWatch", m.calls("aws logs"), nil)
			})
		})
	}
}

func TestABootThatFailsSaysWhichStepAndWhyAlsoInTheLogGroup(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		call, step string
		tries      int
	}{
		{"INSTALLER-install", "install Docker", 6},
		{"systemctl-enable-docker", "start Docker", 1},
		{"systemctl-start-docker", "start Docker", 1},
		{"aws-ssm-get-parameter", "read /starttech/production/release", 6},
		{"aws-ssm-get-parameters-by-path", "read the parameters below " + path, 6},
		{"aws-ecr-get-login-password", "pull " + image, 6},
		{"docker-login", "pull " + image, 6},
		{"docker-pull", "pull " + image, 6},
		{"docker-inspect", "pull " + image, 1},
		{"systemctl-restart-starttech-backend", "start the backend", 1},
	} {
		t.Run(test.call, func(t *testing.T) {
			t.Parallel()

			onEach(t, func(t *testing.T, m *machine) {
				call := strings.Replace(test.call, "INSTALLER", strings.Fields(m.generation.installer)[0], 1)
				m.fails(call, forGood)
				m.failsToBoot(test.step, reason)

				waits := []string{"sleep 2", "sleep 4", "sleep 8", "sleep 16", "sleep 32"}
				equalLines(t, "waits", m.calls("sleep"), waits[:test.tries-1])
				equalLines(t, "containers", m.calls("docker run"), nil)
			})
		})
	}
}

// failsToBoot runs the script, whose last line, and whose event in the log group, has to be the reason.
func (m *machine) failsToBoot(step, reason string) {
	m.t.Helper()

	output, status := m.boot()
	if status == 0 {
		m.t.Errorf("exit status 0:\n%s", output)
	}

	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	_, last, _ := strings.Cut(lines[len(lines)-1], " ")
	equal(m.t, "last line", last, "boot failed: "+step+": "+reason)

	stream := " --log-group-name /starttech/production/backend --log-stream-name i-0123456789abcdef0/boot"
	calls := m.calls("aws logs")

	if len(calls) != 2 || calls[0] != "aws logs create-log-stream"+stream+awsOptions ||
		!strings.HasPrefix(calls[1], "aws logs put-log-events"+stream+" --log-events ") {
		m.t.Fatalf("calls to CloudWatch:\n%s", strings.Join(calls, "\n"))
	}

	_, rest, _ := strings.Cut(m.read("state/aws.arguments"), "--log-events\n")
	argument, _, _ := strings.Cut(rest, "\n")

	var events []struct {
		Timestamp int64
		Message   string
	}
	if err := json.Unmarshal([]byte(argument), &events); err != nil || len(events) != 1 {
		m.t.Fatalf("events %s: %v", argument, err)
	}

	equal(m.t, "event", events[0].Message, last)

	if age := time.Since(time.UnixMilli(events[0].Timestamp)); age < 0 || age > time.Minute {
		m.t.Errorf("the event is %s old", age)
	}
}

func TestABootThatFailsSaysSoEvenIfCloudWatchIsOutOfReach(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.fails("docker-pull", forGood)
		m.fails("aws-logs-create-log-stream", forGood)
		m.fails("aws-logs-put-log-events", forGood)
		m.failsToBoot("pull "+image, reason)
	})
}

func TestWhatTheBackendCannotRunWithIsRefusedByName(t *testing.T) {
	t.Parallel()

	const (
		reading = "read the parameters below " + path
		pulling = "pull " + image
		name    = "[A-Za-z_][A-Za-z0-9_]*"
	)

	for _, test := range []struct {
		name, file, content string
		step, reason        string
	}{
		{
			"a parameter whose name has a dash", "state/parameters", path + "/mongo-uri\t" + secret + "\t.\n",
			reading, "the last part of " + path + "/mongo-uri is no variable's name (" + name + ")",
		},
		{
			"a parameter whose name begins with a digit", "state/parameters", path + "/A\tb\t.\n" + path + "/2ND\t" + secret + "\t.\n",
			reading, "the last part of " + path + "/2ND is no variable's name (" + name + ")",
		},
		{
			"a value with a newline", "state/parameters", path + "/A\tb\t.\n" + path + "/KEY\t" + secret + "\n" + secret + "\t.\n",
			reading, "the value of " + path + "/KEY has a newline",
		},
		{
			"a value that ends in a newline", "state/parameters", path + "/KEY\t" + secret + "\n\t.\n",
			reading, "the value of " + path + "/KEY has a newline",
		},
		{
			"a value that looks like the end of one", "state/parameters", path + "/KEY\tx\t.\n" + secret + "\t.\n",
			reading, "the value of " + path + "/KEY has a newline",
		},
		{
			"two parameters for one variable", "state/parameters", path + "/KEY\tx\t.\n" + path + "/a/KEY\t" + secret + "\t.\n",
			reading, path + "/KEY and " + path + "/a/KEY are both the variable KEY",
		},
		{
			"another port than the load balancer's", "state/parameters", path + "/PORT\t3000\t.\n",
			reading, path + "/PORT is not 8080, where the load balancer connects",
		},
		{
			"a release that is no tag", "state/release", "latest stable\n",
			"read /starttech/production/release", "'latest stable' is not an image's tag",
		},
		{
			"a working directory that systemd would read otherwise", "state/working-directory", "/a b\n",
			pulling, "the image's working directory is '/a b'",
		},
		{
			"another distribution", "root/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n",
			"identify the instance", "this is debian 12, neither Amazon Linux 2 nor 2023",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			onEach(t, func(t *testing.T, m *machine) {
				m.write(test.file, test.content)
				m.failsToBoot(test.step, test.reason)
				equalLines(t, "containers", m.calls("docker run"), nil)
			})
		})
	}
}

func TestAnInstanceWithoutAnIdFailsAndSaysSo(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.must(os.Remove(m.file("root/var/lib/cloud/data/instance-id")))

		output, status := m.boot()
		if status == 0 {
			t.Error("exit status 0")
		}

		contains(t, "output", output, "boot failed: identify the instance: ")
		contains(t, "output", output, "instance-id: No such file or directory")
		equalLines(t, "calls to create a stream", m.calls("aws logs create-log-stream"),
			[]string{"aws logs create-log-stream --log-group-name /starttech/production/backend --log-stream-name unknown/boot" + awsOptions})
	})
}

func TestASecondBootChangesNothing(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.boots()
		first, calls := m.files(), m.calls()
		m.boots()
		same(t, m.files(), first)
		equalLines(t, "calls of the second boot", m.calls(), calls[1:]) // all but the installation
	})
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()

	for _, name := range slices.Sorted(maps.Keys(want)) {
		equal(t, name, got[name], want[name])
	}

	equalLines(t, "files", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
}

// awaitsRelease boots a machine for which there is no release yet, on a port of its own.
func (m *machine) awaitsRelease() {
	m.t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	m.must(err)
	m.settings.Port = listener.Addr().(*net.TCPAddr).Port
	m.must(listener.Close())

	m.write("state/release", "none\n")
	m.bootsPlaceholder()
}

// bootsPlaceholder boots and waits for the placeholder.
func (m *machine) bootsPlaceholder() {
	m.t.Helper()
	m.boots()
	soon(m.t, func() error {
		response, err := http.Get(m.url("/ping"))
		if err != nil {
			return err
		}

		return response.Body.Close()
	})
}

func (m *machine) address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.settings.Port))
}

func (m *machine) url(path string) string {
	return "http://" + m.address() + path
}

func TestBeforeTheFirstReleaseAPlaceholderAnswersTheHealthCheckAndTellsOthersToWait(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.awaitsRelease()

		// A client that connects and says nothing keeps nobody waiting.
		silent, err := net.Dial("tcp", m.address())
		m.must(err)
		defer silent.Close()

		client := &http.Client{Timeout: 5 * time.Second}

		for _, test := range []struct {
			method, path string
			status       int
		}{
			{http.MethodGet, "/ping", http.StatusOK},
			{http.MethodGet, "/", http.StatusServiceUnavailable},
			{http.MethodGet, "/health", http.StatusServiceUnavailable},
			{http.MethodGet, "/ping/pong", http.StatusServiceUnavailable},
			{http.MethodPost, "/auth/login", http.StatusServiceUnavailable},
			{http.MethodPut, "/tasks/1", http.StatusServiceUnavailable},
			{http.MethodPatch, "/tasks/1", http.StatusServiceUnavailable},
			{http.MethodDelete, "/tasks/1", http.StatusServiceUnavailable},
			{http.MethodOptions, "/tasks", http.StatusServiceUnavailable},
		} {
			var sent io.Reader
			if test.method == http.MethodPost {
				sent = bytes.NewReader(make([]byte, 300_000))
			}

			request, err := http.NewRequestWithContext(t.Context(), test.method, m.url(test.path), sent)
			m.must(err)
			response, err := client.Do(request)
			m.must(err)
			body, err := io.ReadAll(response.Body)
			m.must(err)
			m.must(response.Body.Close())

			what := test.method + " " + test.path
			if response.StatusCode != test.status {
				t.Errorf("%s: %s, want %d", what, response.Status, test.status)
			}

			if asks := response.Header.Get("Retry-After") != ""; asks != (test.status != http.StatusOK) {
				t.Errorf("%s: Retry-After is %q", what, response.Header.Get("Retry-After"))
			}

			contains(t, what, string(body), "no release yet: ")
		}

		// Go's client would not show a body that must not be there.
		connection, err := net.Dial("tcp", m.address())
		m.must(err)
		defer connection.Close()

		_, err = io.WriteString(connection, "HEAD /ping HTTP/1.0\r\n\r\n")
		m.must(err)
		answer, err := io.ReadAll(connection)
		m.must(err)

		if text := string(answer); !strings.Contains(text, " 200 ") || !strings.HasSuffix(text, "\r\n\r\n") {
			t.Errorf("HEAD /ping: %q", text)
		}
	})
}

func TestThePlaceholderIsAServiceOfItsOwnThatNeedsNoRoot(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.awaitsRelease()

		equal(t, "unit", m.read("root/etc/systemd/system/starttech-placeholder.service"), fmt.Sprintf(`[Unit]
Description=StartTech placeholder until the first release
After=network.target

[Service]
ExecStart=BIN/%s ROOT/usr/local/lib/starttech/placeholder.py 0.0.0.0 %d /ping
User=nobody
NoNewPrivileges=yes
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`, m.generation.python, m.settings.Port))

		for name, want := range map[string]fs.FileMode{
			"usr/local/lib/starttech":                0o755 | fs.ModeDir,
			"usr/local/lib/starttech/placeholder.py": 0o644,
		} {
			info, err := os.Stat(filepath.Join(m.root, name))
			m.must(err)

			if info.Mode() != want {
				t.Errorf("%s is %s, want %s", name, info.Mode(), want)
			}
		}

		equalLines(t, "calls", m.calls(), []string{
			m.generation.installer,
			"systemctl enable docker",
			"systemctl start docker",
			"aws ssm get-parameter --name /starttech/production/release --query Parameter.Value --output text" + awsOptions,
			"systemctl daemon-reload",
			"systemctl enable starttech-placeholder",
			"systemctl restart starttech-placeholder",
		})
	})
}

func TestASecondBootBeforeTheFirstReleaseChangesNothing(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.awaitsRelease()
		first := m.files()
		m.bootsPlaceholder()
		same(t, m.files(), first)
	})
}

func TestTheFirstReleaseTakesThePlaceholdersPlace(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.awaitsRelease()
		m.write("state/release", release)
		m.boots()

		m.listensNoMore()
		equalLines(t, "calls on services", m.calls("systemctl")[2:], []string{
			"systemctl disable starttech-placeholder",
			"systemctl stop starttech-placeholder",
			"systemctl daemon-reload",
			"systemctl enable starttech-backend",
			"systemctl restart starttech-backend",
		})

		if m.exists("root/etc/systemd/system/starttech-placeholder.service") {
			t.Error("the placeholder would come back with the next start of the instance")
		}
	})
}

func TestAReleaseThatIsWithdrawnGivesItsPlaceToThePlaceholder(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.boots()
		m.awaitsRelease()

		equalLines(t, "calls on services", m.calls("systemctl")[2:], []string{
			"systemctl disable starttech-backend",
			"systemctl stop starttech-backend",
			"systemctl daemon-reload",
			"systemctl enable starttech-placeholder",
			"systemctl restart starttech-placeholder",
		})

		if m.exists("root/etc/systemd/system/starttech-backend.service") {
			t.Error("the backend would come back with the next start of the instance")
		}
	})
}

func TestEverySettingReachesTheShellAsItIs(t *testing.T) {
	t.Parallel()

	settings := userdata.Settings{
		Region:           "a b",
		RepositoryURL:    "it's",
		ReleaseParameter: "''",
		ParameterPath:    `$HOME ${HOME} $(echo no) %{x}`,
		LogGroup:         `"back\slash"`,
		Port:             8080,
		HealthCheckPath:  "#&;|*",
		Environment:      map[string]string{"Z": "last", "B": "x=y", "A": "it's `first`"},
	}
	header, _, _ := strings.Cut(userdata.Script(settings), "\nset -euo pipefail")
	header += "\nprintf '%s\\n' \"$REGION\" \"$REPOSITORY_URL\" \"$RELEASE_PARAMETER\" \"$PARAMETER_PATH\" \"$LOG_GROUP\"" +
		" \"$PORT\" \"$HEALTH_CHECK_PATH\" \"$ENVIRONMENT\""

	output, err := exec.CommandContext(t.Context(), "bash", "-c", header).CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}

	equal(t, "settings", string(output), "a b\nit's\n''\n$HOME ${HOME} $(echo no) %{x}\n\"back\\slash\"\n8080\n#&;|*\n"+
		"A=it's `first`\nB=x=y\nZ=last\n")
}

func TestTheScriptAloneSaysWhichSettingItLacks(t *testing.T) {
	t.Parallel()

	output, err := exec.CommandContext(t.Context(), "bash", "boot.sh").CombinedOutput()
	if err == nil {
		t.Error("exit status 0")
	}

	contains(t, "output", string(output), "REGION: parameter null or not set")
}

func TestTheScriptFitsInUserData(t *testing.T) {
	t.Parallel()

	script := userdata.Script(production())
	if !strings.HasPrefix(script, "#!/bin/bash\nREGION='eu-west-1'\n") || strings.Count(script, "#!/bin/bash") != 1 {
		t.Errorf("the script begins with %q", script[:40])
	}

	// An instance takes 16 KB (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html).
	if size := len(script); size >= 12<<10 {
		t.Errorf("%d bytes", size)
	}
}

func TestTheTemplateIsTheScriptOnceTerraformHasReadIt(t *testing.T) {
	t.Parallel()

	settings := production()
	settings.RepositoryURL = "${aws_ecr_repository.backend.repository_url}"
	settings.Environment["REDIS_ADDR"] = "${TfToken[TOKEN.12]}:6379"
	template, script := userdata.Template(settings), userdata.Script(settings)

	equal(t, "unescaped template", strings.NewReplacer("$${", "${", "%%{", "%{").Replace(template), script)
	contains(t, "template", template, "REPOSITORY_URL='${aws_ecr_repository.backend.repository_url}'\n")
	contains(t, "template", template, "\nREDIS_ADDR=${TfToken[TOKEN.12]}:6379\n")

	// What Terraform would take for its own, and what it would unescape though nobody escaped it.
	equalLines(t, "references", regexp.MustCompile(`(?:^|[^$])(\$\{[^}]*\})`).FindAllString(template, -1),
		[]string{"'${aws_ecr_repository.backend.repository_url}", "=${TfToken[TOKEN.12]}"})

	if strings.Contains(script, "$${") || strings.Contains(script, "%%{") {
		t.Error("the script has $${ or %%{, which a template cannot hold")
	}
}
