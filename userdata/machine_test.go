package userdata_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
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

// The script runs in the real bash, with a temporary root directory. PATH contains only the stubs in testdata/bin and these
// tools, so the tests fail if the script uses a command that Amazon Linux may lack.
var tools = []string{
	"bash", "cat", "chmod", "cp", "date", "env", "install", "ln", "mktemp", "mv", "rm", "sed", "sort", "tail", "timeout", "tr",
}

// osVersion contains the differences between the versions of Amazon Linux that the script handles.
type osVersion struct {
	name      string
	osRelease string   // content of /etc/os-release
	installer string   // command that installs Docker
	programs  []string // package managers
	python    string   // name of the Python interpreter
	locale    string   // UTF-8 locale
}

var osVersions = []osVersion{
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

// forEachVersion runs a test for each version of Amazon Linux, each time with a new machine.
func forEachVersion(t *testing.T, test func(t *testing.T, m *machine)) {
	t.Helper()

	for _, version := range osVersions {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			test(t, newMachine(t, version))
		})
	}
}

const (
	registry   = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	repository = registry + "/starttech-production-backend"
	release    = "0f5c1e7"
	image      = repository + ":" + release
	path       = "/starttech/production/backend"

	// Every secret starts with this value, so that one search finds all of them.
	secret   = "s3cr3t"
	mongoURI = "mongodb+srv://app:" + secret + "-p%40ss@cluster.example.net/?retryWrites=true&w=majority"
	jwtKey   = secret + ` "quoted" 'single' $HOME ${x} \n #hash	tab=ä€ end `

	// The error message of a failed call. The stub prints an empty line before it, like the AWS CLI.
	reason = `An error occurred (AccessDeniedException): "role\x" may not, said the service`

	awsOptions = " --region eu-west-1 --cli-connect-timeout 10"
	dockerRun  = "run --rm --name backend" +
		" --env-file ROOT/etc/starttech/backend.env --volume ROOT/etc/starttech/backend.env:/app/.env:ro" +
		" --publish 8080:8080 --security-opt no-new-privileges --memory 728460k --pids-limit 1024" +
		" --log-driver awslogs --log-opt awslogs-region=eu-west-1 --log-opt awslogs-group=/starttech/production/backend" +
		" --log-opt awslogs-stream=i-0123456789abcdef0/" + release +
		" --log-opt mode=non-blocking --log-opt max-buffer-size=25m " + image

	// LOG_LEVEL of the parameters overrides LOG_LEVEL of the settings.
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
	version          osVersion
	settings         userdata.Settings
	root, state, bin string
}

// newMachine returns an instance with a release, and with a working network.
func newMachine(t *testing.T, version osVersion) *machine {
	t.Helper()

	dir := t.TempDir()
	m := &machine{
		t: t, version: version, settings: production(),
		root: filepath.Join(dir, "root"), state: filepath.Join(dir, "state"), bin: filepath.Join(dir, "bin"),
	}

	for _, name := range []string{
		"root/etc/systemd/system", "root/proc", "root/run", "root/usr/local/lib", "root/var/lib/cloud/data", "state/fail", "bin",
	} {
		m.must(os.MkdirAll(filepath.Join(dir, name), 0o755))
	}

	for _, name := range tools {
		tool, err := exec.LookPath(name)
		m.must(err)
		m.must(os.Symlink(tool, filepath.Join(m.bin, name)))
	}

	for _, name := range append([]string{"aws", "sleep", "systemctl"}, version.programs...) {
		m.must(os.Symlink(filepath.Join(stubs(), "bin", name), filepath.Join(m.bin, name)))
	}

	interpreter := python3()
	if older := python27(); version.python == "python" && older != "" {
		interpreter = older
	}

	m.must(os.Symlink(interpreter, filepath.Join(m.bin, version.python)))

	m.write("root/etc/os-release", version.osRelease)
	m.write("root/proc/meminfo", "MemTotal:         971280 kB\nMemFree:          482396 kB\n")
	m.write("root/var/lib/cloud/data/instance-id", "i-0123456789abcdef0\n")
	m.write("state/release", release+"\n")
	m.write("state/parameters", parameters("MONGO_URI", mongoURI, "JWT_SECRET_KEY", jwtKey, "cache/LOG_LEVEL", "DEBUG\n"))
	m.write("state/password", secret+"-of-the-registry\n")
	m.write("state/image", "nobody:nogroup /app\n")
	m.write("state/reason", "\n"+reason+"\n\n")

	t.Cleanup(m.stopPlaceholder)

	return m
}

// parameters returns parameters in the AWS CLI's JSON. The arguments are names and values in turn.
func parameters(namesAndValues ...string) string {
	pairs := [][]string{}
	for pair := range slices.Chunk(namesAndValues, 2) {
		pairs = append(pairs, []string{path + "/" + pair[0], pair[1]})
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // as the CLI, which escapes neither < nor non-ASCII characters
	if err := encoder.Encode(pairs); err != nil {
		panic(err)
	}
	return out.String()
}

func (m *machine) must(err error) {
	m.t.Helper()

	if err != nil {
		m.t.Fatal(err)
	}
}

// file returns a path in the machine's directory: root/ is the instance's root directory, and state/ belongs to the stubs.
func (m *machine) file(name string) string {
	return filepath.Join(filepath.Dir(m.root), filepath.FromSlash(name))
}

func (m *machine) write(name, content string) {
	m.t.Helper()
	m.must(os.WriteFile(m.file(name), []byte(content), 0o644))
}

// read returns a file's content, with ROOT for the root directory and BIN for the directory of the programs.
func (m *machine) read(name string) string {
	m.t.Helper()

	content, err := os.ReadFile(m.file(name))
	m.must(err)

	return strings.NewReplacer(m.root, "ROOT", m.bin, "BIN").Replace(string(content))
}

// failCalls makes the next calls of a command fail, up to the given number of times.
func (m *machine) failCalls(call string, times int) {
	m.t.Helper()
	m.write("state/fail/"+call, strconv.Itoa(times)+"\n")
}

const always = 1000

// boot runs the script and returns its output and its exit status. It checks that the script has exposed no secret and has
// left no temporary file, even if it failed.
func (m *machine) boot() (string, int) {
	m.t.Helper()
	m.write("state/calls", "")
	m.write("state/script", userdata.Script(m.settings))

	command := exec.CommandContext(m.t.Context(), filepath.Join(m.bin, "bash"), m.file("state/script"))
	// cloud-init does not set HOME.
	command.Env = []string{
		"PATH=" + m.bin, "ROOT=" + m.root, "BIN=" + m.bin, "STATE=" + m.state, "STUBS=" + stubs(),
	}

	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}

	m.checkSecrets(string(output))

	return string(output), command.ProcessState.ExitCode()
}

// mustBoot runs the script, which must succeed, and returns its output.
func (m *machine) mustBoot() string {
	m.t.Helper()

	output, status := m.boot()
	if status != 0 {
		m.t.Fatalf("exit status %d:\n%s", status, output)
	}

	return output
}

func (m *machine) checkSecrets(output string) {
	m.t.Helper()

	if strings.Contains(output, secret) {
		m.t.Errorf("the output contains a secret:\n%s", output)
	}

	if calls := m.read("state/calls"); strings.Contains(calls, secret) {
		m.t.Errorf("an argument contains a secret, which the process list shows:\n%s", calls)
	}

	for name, file := range m.files() {
		if name != "etc/starttech/backend.env" && strings.Contains(file, secret) {
			m.t.Errorf("%s contains a secret", name)
		}

		if strings.HasPrefix(name, "run/") || temporary.MatchString(name) {
			m.t.Errorf("%s is a temporary file and still exists", name)
		}
	}
}

// temporary matches the suffix of mktemp's file names.
var temporary = regexp.MustCompile(`\.[A-Za-z0-9]{6}$`)

// files returns the mode and the content of each file in the root directory, by path.
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

// calls returns the calls of the last boot that start with one of the prefixes, or all calls without a prefix.
func (m *machine) calls(prefixes ...string) []string {
	m.t.Helper()

	var calls []string
	for call := range strings.Lines(m.read("state/calls")) {
		call = strings.TrimSuffix(call, "\n")
		hasPrefix := func(prefix string) bool { return strings.HasPrefix(call, prefix) }

		if len(prefixes) == 0 || slices.ContainsFunc(prefixes, hasPrefix) {
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
		return // it has not started, or has been stopped
	}

	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	m.must(err)

	// The timeout command of the systemctl stub leads a process group, unless the test failed earlier.
	for _, id := range []int{-pid, pid} {
		if err := syscall.Kill(id, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			m.t.Error(err)
		}
	}

	m.waitUntilPortClosed()
}

// waitUntilPortClosed waits until nothing listens on the backend's port.
func (m *machine) waitUntilPortClosed() {
	m.t.Helper()

	eventually(m.t, func() error {
		connection, err := net.Dial("tcp", m.address())
		if err != nil {
			return nil
		}

		return errors.Join(fmt.Errorf("%s still accepts connections", m.address()), connection.Close())
	})
}

// eventually calls try until it returns no error, and reports the last error after 10 s.
func eventually(t *testing.T, try func() error) {
	t.Helper()

	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}

	t.Error(err)
}

var stubs = sync.OnceValue(func() string {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}

	return dir
})

// python3 and python27 return the paths of the interpreters themselves. PATH may contain a version manager's shim instead,
// which fails under another name.
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
