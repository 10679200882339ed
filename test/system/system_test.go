package system

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/release"
)

// warmup is backend.warmupSeconds of the test: fifteen seconds on the local AWS.
const warmup = 300

func TestSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the system: its apply takes minutes")
	}
	t.Parallel()
	s := newSystem(t)
	s.edit(t, "backend:\n", fmt.Sprintf("backend:\n  warmupSeconds: %d\n", warmup))
	s.up(t, "APP=none")
	waitFor(t, "the two instances have not booted with the placeholder", func() bool { return len(s.consoles(t, "boot complete: no release yet")) == 2 })
	s.up(t)

	t.Run("browser", s.testBrowser)
	t.Run("release", s.testRelease)
	t.Run("terminated instance", s.testTerminatedInstance)
	t.Run("killed instance", s.testKilledInstance)
	t.Run("unhealthy instance", s.testUnhealthyInstance)
	t.Run("scale-out and scale-in", s.testScaling)
	t.Run("bad releases", s.testBadReleases)
	t.Run("alarms", s.testAlarms)
	t.Run("configuration change", s.testConfigurationChange)
	t.Run("down", s.testDown)
}

// image returns the example's backend with another environment variable, which makes another image, and its tag.
func (s *system) image(t *testing.T, variable string) (v1.Image, string) {
	t.Helper()
	image, err := release.BuildImage(t.Context(), s.checkout, "./examples/application/backend", release.ThisMachine)
	check(t, err)
	file, err := image.ConfigFile()
	check(t, err)
	file = file.DeepCopy()
	file.Config.Env = append(file.Config.Env, variable)
	image, err = mutate.ConfigFile(image, file)
	check(t, err)
	tag, err := release.Tag(image)
	check(t, err)
	return image, tag
}

func (s *system) testRelease(t *testing.T) {
	// From now on, instances serve /tasks/fault. With more threads than the machine has processors, they get most of them.
	s.aws(t, "ssm", "put-parameter", "--type", "String", "--name", s.outputs["parameter_path"]+"DEMO_FAULTS", "--value", "true")
	image, tag := s.image(t, "GOMAXPROCS=16")
	target := s.withEnvironment(t)
	s.push(t, target, image, tag)
	before := s.instances(t)
	s.requireNoFailures(t, "a release", func() {
		check(t, target.ReleaseBackend(t.Context(), tag, func(string) {}))
	})
	if after := s.instances(t); slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) }) {
		t.Errorf("the release has left an old instance: %q, before %q", after, before)
	}
}

// withEnvironment points this process's AWS clients to the local AWS.
func (s *system) withEnvironment(t *testing.T) *operate.Environment {
	t.Helper()
	for name, value := range s.emulator.Env() {
		if value == "" {
			check(t, os.Unsetenv(name))
		} else {
			check(t, os.Setenv(name, value))
		}
	}
	return s.deployed(t)
}

// testTerminatedInstance terminates an instance through its group, as a scale-in and a rebalancing do: the load balancer drains it.
func (s *system) testTerminatedInstance(t *testing.T) {
	victim := s.instances(t)[0]
	s.requireNoFailures(t, "an instance terminated by its group", func() {
		s.aws(t, "autoscaling", "terminate-instance-in-auto-scaling-group", "--instance-id", victim, "--no-should-decrement-desired-capacity")
		s.waitForReplacement(t, victim)
	})
}

// testKilledInstance ends an instance without its group, as a broken host does. A load balancer does not repeat requests, so those
// that it sends to the instance until the group notices fail with 502
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html).
func (s *system) testKilledInstance(t *testing.T) {
	victim := s.instances(t)[0]
	failed := s.runUnderLoad(t, "an instance killed without notice", func() {
		s.aws(t, "ec2", "terminate-instances", "--instance-ids", victim)
		s.waitForReplacement(t, victim)
	})
	if limit := 3 * rate; len(failed) > limit {
		t.Errorf("%d requests failed, which is more than those of three seconds:\n%s", len(failed), strings.Join(failed[:10], "\n"))
	}
}

// waitForReplacement waits until the group has two healthy instances without the victim.
func (s *system) waitForReplacement(t *testing.T, victim string) {
	t.Helper()
	waitFor(t, victim+" is not replaced", func() bool {
		healthy := s.healthy(t)
		return len(healthy) >= 2 && !slices.Contains(healthy, victim) && len(s.instances(t)) == 2
	})
}

// testUnhealthyInstance stops the program of an instance, so that it does not answer. The load balancer notices, and the group replaces
// the instance.
func (s *system) testUnhealthyInstance(t *testing.T) {
	victim := s.instances(t)[0]
	root := filepath.Join(s.checkout, ".local", "aws", "instances", victim, "root")
	var stopped []int
	for _, process := range s.processes(t) {
		if strings.HasPrefix(process.root, root) || strings.Contains(process.arguments, root+"/usr/bin/docker run") {
			check(t, syscall.Kill(process.pid, syscall.SIGSTOP))
			stopped = append(stopped, process.pid)
		}
	}
	if len(stopped) == 0 {
		t.Fatalf("%s has no program", victim)
	}
	begin := time.Now()
	waitFor(t, victim+" is not found unhealthy", func() bool { return !slices.Contains(s.healthy(t), victim) })
	s.waitForReplacement(t, victim)
	t.Logf("%6.1f s  until an instance that does not answer is replaced", time.Since(begin).Seconds())
}

func (s *system) testScaling(t *testing.T) {
	resize := func(capacity int) {
		s.aws(t, "autoscaling", "set-desired-capacity", "--auto-scaling-group-name", s.outputs["auto_scaling_group_name"], "--desired-capacity", strconv.Itoa(capacity))
		waitFor(t, fmt.Sprintf("the group has not %d healthy instances", capacity), func() bool {
			return len(s.healthy(t)) == capacity && len(s.instances(t)) == capacity
		})
	}
	s.requireNoFailures(t, "a scale-out to 3", func() { resize(3) })
	s.requireNoFailures(t, "a scale-in to 2", func() { resize(2) })
}

// testBadReleases releases what cannot run, and rolls back as docs/runbook.md says. The site stays up.
func (s *system) testBadReleases(t *testing.T) {
	target := s.withEnvironment(t)
	released, err := target.Released(t.Context())
	check(t, err)
	crashes, crashing := s.image(t, "JWT_EXPIRATION_HOURS=never")
	fails, failing := s.image(t, "DEMO_UNHEALTHY=true")
	s.push(t, target, crashes, crashing)
	s.push(t, target, fails, failing)
	missing := strings.Repeat("0", 40)
	s.requireNoFailures(t, "bad releases, and their rollback", func() {
		for _, test := range []struct {
			what, tag string
			symptom   func() bool
		}{
			{"a release that crashes", crashing, func() bool { return len(s.consoles(t, `JWT_EXPIRATION_HOURS is "never"`)) > 0 }},
			{"a release that is never healthy", failing, func() bool {
				return s.hasTargetWith(t, elbtypes.TargetHealthReasonEnumResponseCodeMismatch)
			}},
			{"a release without an image", missing, func() bool { return len(s.consoles(t, "boot failed: cannot pull ")) > 0 }},
		} {
			s.aws(t, "ssm", "put-parameter", "--overwrite", "--name", s.outputs["release_parameter"], "--value", test.tag)
			refresh := s.aws(t, "autoscaling", "start-instance-refresh", "--auto-scaling-group-name", s.outputs["auto_scaling_group_name"],
				"--preferences", `{"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150}`, "--query", "InstanceRefreshId", "--output", "text")
			waitFor(t, test.what+" has no symptom", test.symptom)
			if status := s.refreshStatus(t, refresh); status != "InProgress" {
				t.Errorf("%s: the instance refresh is %s", test.what, status)
			}
			s.aws(t, "ssm", "put-parameter", "--overwrite", "--name", s.outputs["release_parameter"], "--value", released)
			s.aws(t, "autoscaling", "cancel-instance-refresh", "--auto-scaling-group-name", s.outputs["auto_scaling_group_name"])
			waitFor(t, test.what+": the instance refresh is not cancelled", func() bool { return s.refreshStatus(t, refresh) == "Cancelled" })
		}
		check(t, target.ReleaseBackend(t.Context(), released, func(string) {}))
	})
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
	s.requireNoFailures(t, "a change of the configuration: Amazon Linux 2023", func() {
		s.up(t)
		waitFor(t, "the old instances are not replaced", func() bool {
			after := s.instances(t)
			return len(after) == 2 && len(s.healthy(t)) == 2 && !slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) })
		})
	})
	for _, id := range s.instances(t) {
		if generation := read(t, filepath.Join(s.checkout, ".local", "aws", "instances", id, "instance.json")); !strings.Contains(generation, `"amazonLinux": "2023"`) {
			t.Errorf("%s does not run Amazon Linux 2023", id)
		}
	}
}

func (s *system) testDown(t *testing.T) {
	running := s.processes(t)
	var memory int
	for _, process := range running {
		memory += process.memory
	}
	t.Logf("%6d MiB of memory, %d processes", memory>>10, len(running))
	if memory > 2<<20 {
		t.Errorf("the processes use %d KiB; the limit is 2 GiB", memory)
	}
	addresses := []string{s.outputs["redis_endpoint"]}
	for _, port := range []int{s.emulator.Port, s.emulator.SitePort} {
		addresses = append(addresses, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	for _, process := range running {
		if match := regexp.MustCompile(`init (\S+/instance\.json)$`).FindStringSubmatch(process.arguments); match != nil {
			var instance struct {
				Address string
				Publish map[string]int
			}
			check(t, json.Unmarshal([]byte(read(t, match[1])), &instance))
			for _, port := range instance.Publish {
				addresses = append(addresses, net.JoinHostPort(instance.Address, strconv.Itoa(port)))
			}
		}
	}
	if len(addresses) < 5 {
		t.Errorf("the addresses are %q; want those of Redis, the two ports and two instances", addresses)
	}
	for _, address := range addresses {
		if !isOpen(address) {
			t.Errorf("%s is closed before make down", address)
		}
	}
	s.down(t, running, addresses)
}

func isOpen(address string) bool {
	connection, err := net.Dial("tcp", address)
	if err == nil {
		connection.Close()
	}
	return err == nil
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	check(t, err)
	return string(content)
}
