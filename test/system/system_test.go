package system

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/starttech/infrastructure/internal/release"
)

// warmup is backend.warmupSeconds of the test: a busy machine boots an instance in half a minute at most.
const warmup = 600

func TestSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the system: its apply takes minutes")
	}
	t.Parallel()
	s := newSystem(t)
	s.edit(t, "backend:\n", fmt.Sprintf("backend:\n  warmupSeconds: %d\n", warmup))
	s.up(t, "APP=none")
	s.testPlaceholder(t)
	s.aws(t, "ssm", "put-parameter", "--type", "String", "--name", s.outputs["parameter_path"]+"DEMO_FAULTS", "--value", "true")
	s.up(t)

	t.Run("browser", s.testBrowser)
	t.Run("release", s.testRelease)
	t.Run("terminated instance", s.testTerminatedInstance)
	t.Run("killed instance", s.testKilledInstance)
	t.Run("scale-out and scale-in", s.testScaling)
	t.Run("bad releases", s.testBadReleases)
	t.Run("alarms", s.testAlarms)
	t.Run("configuration change", s.testConfigurationChange)
	t.Run("down", s.testDown)
}

// testPlaceholder is the first deploy, before there is an image.
func (s *system) testPlaceholder(t *testing.T) {
	waitFor(t, "the placeholder does not answer", func() bool {
		status, _ := s.get(t, "/ping")
		return status == http.StatusOK
	})
	if status, body := s.get(t, "/tasks"); status != http.StatusServiceUnavailable || !strings.Contains(body, "no release yet") {
		t.Errorf("/tasks: %d %q, want 503 with the placeholder's text", status, body)
	}
}

func (s *system) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	response, err := s.client.Do(s.request(http.MethodGet, path, "", nil))
	check(t, err)
	defer response.Body.Close()
	content := make([]byte, 4096)
	n, _ := response.Body.Read(content)
	return response.StatusCode, string(content[:n])
}

// image returns the example's backend with another environment variable, which makes another image.
func (s *system) image(t *testing.T, name string, change func(*v1.Config)) (v1.Image, string) {
	t.Helper()
	image, err := release.BuildImage(t.Context(), s.checkout, "./examples/application/backend")
	check(t, err)
	file, err := image.ConfigFile()
	check(t, err)
	file = file.DeepCopy()
	file.Config.Env = append(file.Config.Env, "TEST_IMAGE="+name)
	if change != nil {
		change(&file.Config)
	}
	image, err = mutate.ConfigFile(image, file)
	check(t, err)
	tag, err := release.Tag(image)
	check(t, err)
	return image, tag
}

func (s *system) testRelease(t *testing.T) {
	image, tag := s.image(t, "second", nil)
	target := s.withEnvironment(t)
	check(t, target.Push(t.Context(), s.emulator.Endpoint(), image, tag))
	before := s.instances(t)
	s.losesNothing(t, "a release", func() {
		check(t, target.Backend(t.Context(), tag, func(string) {}))
	})
	if after := s.instances(t); slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) }) {
		t.Errorf("the release has left an old instance: %q, before %q", after, before)
	}
}

// withEnvironment points this process's AWS CLI to the local AWS.
func (s *system) withEnvironment(t *testing.T) release.Environment {
	t.Helper()
	for name, value := range s.emulator.Env() {
		if value == "" {
			check(t, os.Unsetenv(name))
		} else {
			check(t, os.Setenv(name, value))
		}
	}
	return s.target()
}

// testTerminatedInstance terminates an instance through its group, as a scale-in and a rebalancing do: the load balancer drains it.
func (s *system) testTerminatedInstance(t *testing.T) {
	victim := s.instances(t)[0]
	s.losesNothing(t, "an instance terminated by its group", func() {
		s.aws(t, "autoscaling", "terminate-instance-in-auto-scaling-group", "--instance-id", victim, "--no-should-decrement-desired-capacity")
		s.waitForReplacement(t, victim)
	})
}

// testKilledInstance ends an instance at once, as a broken host does. Until the health checks notice, every second request goes to it
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html): requests may fail, but
// not for long.
func (s *system) testKilledInstance(t *testing.T) {
	victim := s.instances(t)[0]
	failed := s.under(t, "an instance killed without notice", func() {
		s.aws(t, "ec2", "terminate-instances", "--instance-ids", victim)
		s.waitForReplacement(t, victim)
	})
	if limit := 20 * rate; len(failed) > limit {
		t.Errorf("%d requests failed, more than %d", len(failed), limit)
	}
	s.losesNothing(t, "after the replacement", func() { time.Sleep(3 * time.Second) })
}

// waitForReplacement waits until the group has two healthy instances without the victim.
func (s *system) waitForReplacement(t *testing.T, victim string) {
	t.Helper()
	waitFor(t, victim+" is not replaced", func() bool {
		healthy := s.healthy(t)
		return len(healthy) >= 2 && !slices.Contains(healthy, victim) && len(s.instances(t)) == 2
	})
}

func (s *system) testScaling(t *testing.T) {
	resize := func(capacity int) {
		s.aws(t, "autoscaling", "set-desired-capacity", "--auto-scaling-group-name", s.outputs["auto_scaling_group_name"], "--desired-capacity", strconv.Itoa(capacity))
		waitFor(t, fmt.Sprintf("the group has not %d healthy instances", capacity), func() bool {
			return len(s.healthy(t)) == capacity && len(s.instances(t)) == capacity
		})
	}
	s.losesNothing(t, "a scale-out to 3", func() { resize(3) })
	s.losesNothing(t, "a scale-in to 2", func() { resize(2) })
}

// testBadReleases releases what cannot run, and rolls back as docs/runbook.md says. The site stays up.
func (s *system) testBadReleases(t *testing.T) {
	target := s.withEnvironment(t)
	crashes, crashing := s.image(t, "crashes", func(c *v1.Config) { c.Env = append(c.Env, "LOG_LEVEL=nonsense") })
	unhealthy, failing := s.image(t, "unhealthy", func(c *v1.Config) { c.Entrypoint = []string{"/app/backend"}; c.Env = append(c.Env, "HOST=127.0.0.2") })
	check(t, target.Push(t.Context(), s.emulator.Endpoint(), crashes, crashing))
	check(t, target.Push(t.Context(), s.emulator.Endpoint(), unhealthy, failing))
	for what, tag := range map[string]string{
		"a release that crashes":     crashing,
		"a release whose boot fails": strings.Repeat("0", 40), // there is no such image
	} {
		released, err := target.Released(t.Context())
		check(t, err)
		s.losesNothing(t, what+", and its rollback", func() {
			s.aws(t, "ssm", "put-parameter", "--overwrite", "--name", target.Parameter, "--value", tag)
			refresh := s.aws(t, "autoscaling", "start-instance-refresh", "--auto-scaling-group-name", target.Group,
				"--preferences", `{"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150}`, "--query", "InstanceRefreshId", "--output", "text")
			waitFor(t, what+" starts no instance", func() bool { return len(s.consoles(t, tag)) > 0 })
			time.Sleep(10 * time.Second)
			if status := s.refreshStatus(t, refresh); status != "InProgress" {
				t.Errorf("%s: the refresh is %s", what, status)
			}
			s.aws(t, "ssm", "put-parameter", "--overwrite", "--name", target.Parameter, "--value", released)
			s.aws(t, "autoscaling", "cancel-instance-refresh", "--auto-scaling-group-name", target.Group)
			waitFor(t, what+": the refresh is not cancelled", func() bool { return s.refreshStatus(t, refresh) == "Cancelled" })
			check(t, target.Backend(t.Context(), released, func(string) {}))
		})
	}
}

func (s *system) refreshStatus(t *testing.T, id string) string {
	t.Helper()
	return s.aws(t, "autoscaling", "describe-instance-refreshes", "--auto-scaling-group-name", s.outputs["auto_scaling_group_name"],
		"--instance-refresh-ids", id, "--query", "InstanceRefreshes[0].Status", "--output", "text")
}

// consoles returns the console logs that contain a text.
func (s *system) consoles(t *testing.T, text string) []string {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.checkout, ".local", "aws", "instances", "*", "console.log"))
	check(t, err)
	return slices.DeleteFunc(logs, func(path string) bool {
		content, err := os.ReadFile(path)
		return err != nil || !strings.Contains(string(content), text)
	})
}

// testConfigurationChange changes the generation of Amazon Linux, which replaces the instances.
func (s *system) testConfigurationChange(t *testing.T) {
	before := s.instances(t)
	s.edit(t, "amazonLinux: al2", "amazonLinux: al2023")
	s.losesNothing(t, "a change of the configuration: Amazon Linux 2023", func() { s.up(t) })
	waitFor(t, "the old instances are not replaced", func() bool {
		after := s.instances(t)
		return len(after) == 2 && !slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) })
	})
}

func (s *system) testDown(t *testing.T) {
	if memory := s.memory(t); memory > 2<<20 {
		t.Errorf("the processes use %d KiB; the limit is 2 GiB", memory)
	} else {
		t.Logf("the processes of the local AWS use %d MiB", memory>>10)
	}
	out, err := s.make("down")
	if err != nil {
		t.Errorf("make down: %v\n%s", err, out)
	}
	if left := s.processes(t); len(left) > 0 {
		t.Errorf("make down leaves processes:\n%s", strings.Join(left, "\n"))
	}
	for _, port := range []int{s.port, s.port + 1} {
		if connection, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			connection.Close()
			t.Errorf("make down leaves port %d open", port)
		}
	}
	if _, err := os.Stat(filepath.Join(s.checkout, ".local", "aws")); !os.IsNotExist(err) {
		t.Errorf("make down leaves .local/aws: %v", err)
	}
}

// memory returns the resident memory of the processes, in KiB.
func (s *system) memory(t *testing.T) (total int) {
	t.Helper()
	for _, line := range s.processes(t) {
		pid, _, _ := strings.Cut(line, " ")
		status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if err != nil {
			continue // it has ended, or there is no /proc
		}
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		fields := strings.Fields(rest)
		if len(fields) > 0 {
			kib, err := strconv.Atoi(fields[0])
			check(t, err)
			total += kib
		}
	}
	return total
}
