// Package system tests the whole: make up, and then a browser, load, releases and failures, from CloudFront to Redis.
package system

import (
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/release"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// system is a checkout whose local AWS runs.
type system struct {
	checkout string
	port     int
	emulator *local.AWS
	outputs  map[string]string
	url      string // of the site, for a browser
	client   *http.Client

	autoScaling   *autoscaling.Client
	loadBalancing *elasticloadbalancingv2.Client
}

// newSystem copies the checkout. make down runs at the end of the test.
func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{checkout: harness.CopyCheckout(t), port: freePorts(t)}
	t.Cleanup(func() {
		if out, err := s.make("down"); err != nil {
			t.Errorf("make down: %v\n%s", err, out)
		}
	})
	return s
}

// freePorts returns the first of two free ports in a row. They are not in the range of ports that Linux gives to connections, 32768 to
// 60999: while the local AWS does not run, such a port could become another program's.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(10000)
		if !isOpen(net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) && !isOpen(net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1))) {
			return port
		}
	}
	t.Fatal("there are no two free ports in a row")
	return 0
}

// command returns make with arguments, in the checkout.
func (s *system) command(arguments ...string) *exec.Cmd {
	command := exec.Command("make", arguments...)
	command.Dir = s.checkout
	command.Env = append(os.Environ(), "MAKEFLAGS=", "GOTMPDIR=")
	return command
}

func (s *system) make(arguments ...string) (string, error) {
	out, err := s.command(arguments...).CombinedOutput()
	return string(out), err
}

// up runs make up, and reads what it has deployed.
func (s *system) up(t *testing.T, arguments ...string) string {
	t.Helper()
	begin := time.Now()
	out, err := s.make(append([]string{"up", "PORT=" + strconv.Itoa(s.port)}, arguments...)...)
	if err != nil {
		console, _ := exec.Command("sh", "-c", "tail -n 20 .local/aws/instances/*/console.log .local/aws/aws.log").CombinedOutput()
		t.Fatalf("make up %s: %v\n%s\n%s", strings.Join(arguments, " "), err, out, console)
	}
	t.Logf("%6.1f s  make up %s", time.Since(begin).Seconds(), strings.Join(arguments, " "))
	s.emulator, err = local.Load(filepath.Join(s.checkout, ".local", "aws"))
	check(t, err)
	s.connect()
	s.outputs = map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^  ([a-z_]+) +(\S+)$`).FindAllStringSubmatch(out, -1) {
		s.outputs[line[1]] = line[2]
	}
	s.url = s.emulator.SiteURL(s.outputs["site_url"])
	if !strings.Contains(out, "Open  "+s.url+"\n") {
		t.Errorf("make up does not end with the site's address, %s:\n%s", s.url, out)
	}
	transport := s.emulator.SiteTransport()
	transport.MaxIdleConnsPerHost = 50
	s.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return out
}

// aws runs the AWS CLI with the administrator's key, and returns its output.
func (s *system) aws(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.Command(s.cli(), arguments...)
	command.Env = s.environment()
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("aws %s: %v\n%s", strings.Join(arguments, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (s *system) cli() string { return filepath.Join(s.checkout, ".venv", "bin", "aws") }

// environment returns the environment variables of AWS clients of the local AWS.
func (s *system) environment() []string {
	variables := os.Environ()
	for name, value := range s.emulator.Env() {
		variables = slices.DeleteFunc(variables, func(variable string) bool { return strings.HasPrefix(variable, name+"=") })
		if value != "" {
			variables = append(variables, name+"="+value)
		}
	}
	return variables
}

// deployed is production, as operators work with it.
func (s *system) deployed(t *testing.T) *operate.Environment {
	t.Helper()
	outputs := operate.Outputs{}
	for name, value := range s.outputs {
		outputs[name] = value
	}
	environment := config.Default()
	environment.Name, environment.Account, environment.Backend.WarmupSeconds = "production", "123456789012", warmup
	e, err := operate.OpenWith(t.Context(), environment, outputs)
	check(t, err)
	return e
}

// push pushes an image of the backend.
func (s *system) push(t *testing.T, e *operate.Environment, image v1.Image, tag string) {
	t.Helper()
	password, err := e.RegistryPassword(t.Context())
	check(t, err)
	check(t, release.Push(t.Context(), s.outputs["ecr_repository_url"], password, s.emulator.Endpoint(), image, tag))
}

// waitFor waits until a condition holds. It fails after a time that is long even for a busy machine.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	begin := time.Now()
	for !condition() {
		if time.Since(begin) > 5*time.Minute {
			t.Fatalf("after %s: %s", time.Since(begin).Round(time.Second), what)
		}
		time.Sleep(time.Second)
	}
}

// edit replaces a text in the environment file of production.
func (s *system) edit(t *testing.T, old, new string) {
	t.Helper()
	path := filepath.Join(s.checkout, "environments", "production.yaml")
	content := read(t, path)
	if !strings.Contains(content, old) {
		t.Fatalf("%s does not contain %q", path, old)
	}
	check(t, os.WriteFile(path, []byte(strings.Replace(content, old, new, 1)), 0o644))
}

// process is a process of the local AWS.
type process struct {
	pid       int
	memory    int // resident, in KiB
	root      string
	arguments string
}

// processes returns the processes of the checkout: those with its path in their arguments, or as their root directory, as a container has
// it, and their descendants.
func (s *system) processes(t *testing.T) []process {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "pid=,ppid=,rss=,args=").Output()
	check(t, err)
	var found []process
	known := map[int]bool{}
	lines := slices.Collect(strings.Lines(string(out)))
	for range 4 { // emulator -> instance -> docker -> program
		for _, line := range lines {
			fields := strings.Fields(line)
			pid, parent, memory := number(t, fields[0]), number(t, fields[1]), number(t, fields[2])
			root, _ := os.Readlink(filepath.Join("/proc", fields[0], "root"))
			if known[pid] || !strings.Contains(line, s.checkout+"/.") && !strings.HasPrefix(root, s.checkout) && !known[parent] {
				continue
			}
			known[pid] = true
			found = append(found, process{pid, memory, root, strings.Join(fields[3:], " ")})
		}
	}
	return found
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}
