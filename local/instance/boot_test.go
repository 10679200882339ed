package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/starttech/infrastructure/userdata"
)

// forEachVersion runs a test for each version of Amazon Linux.
func forEachVersion(t *testing.T, test func(t *testing.T, amazonLinux string)) {
	t.Parallel()
	for _, version := range []string{"2", "2023"} {
		t.Run("Amazon Linux "+version, func(t *testing.T) {
			t.Parallel()
			test(t, version)
		})
	}
}

func bootScript(releaseParameter string) string {
	return userdata.Script(userdata.Settings{
		Region: "eu-west-1", RepositoryURL: repository, ReleaseParameter: releaseParameter, ParameterPath: "/backend",
		LogGroup: "/backend", Port: 8080, HealthCheckPath: "/ping",
	})
}

// request sends a request to the published port 8080, and returns the response with its body.
func (m *machine) request(method, path, body string) (status int, content string, err error) {
	address := net.JoinHostPort(m.config.Address, strconv.Itoa(m.config.Publish[8080]))
	request, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return response.StatusCode, string(read), err
}

// answer is what the test application responds.
type answer struct {
	PID, UID, GID                               int
	Directory, File, Port, Greeting, Base, Body string
}

// ask waits until the application responds.
func (m *machine) ask(body string) (a answer) {
	m.t.Helper()
	eventually(m.t, func() error {
		_, content, err := m.request(http.MethodPost, "/", body)
		if err == nil {
			err = json.Unmarshal([]byte(content), &a)
		}
		return err
	})
	return a
}

func TestReleaseRunsAndRestartsAfterCrash(t *testing.T) {
	forEachVersion(t, func(t *testing.T, amazonLinux string) {
		aws := newFakeAWS(t)
		m := powerOnMachine(t, aws, amazonLinux, bootScript("/release"))
		m.waitFor("boot complete: v1", 1)
		m.waitFor("user data finished with exit status 0", 1)

		body := strings.Repeat("0123456789", 100_000)
		got := m.ask(body)
		first := got.PID
		want := answer{
			PID: first, UID: 1234, GID: 5678, Directory: "/srv", Port: got.Port, File: "GREETING=hello world\nPORT=" + got.Port + "\n",
			Greeting: "hello world", Base: "image", Body: body,
		}
		if runtime.GOOS != "linux" {
			want.UID, want.GID, want.Directory = os.Getuid(), os.Getgid(), got.Directory
		}
		if got != want {
			got.Body, want.Body = "", ""
			t.Errorf("the application responds %+v, want %+v, and the body of the request", got, want)
		}
		if got.Port == "8080" {
			t.Error("PORT is the published port")
		}

		_, _, _ = m.request(http.MethodGet, "/crash", "")
		eventually(t, func() error {
			if got := m.ask(""); got.PID == first {
				return fmt.Errorf("process %d has not been replaced", first)
			}
			return nil
		})
		if !strings.Contains(m.console.String(), "starttech-backend.service: restarts in 250ms, which is 5s on AWS") {
			t.Error("the console does not show the restart")
		}

		second := m.ask("").PID
		m.stdin.Close()
		m.waitUntilOff()
		for _, pid := range []int{first, second} {
			checkGone(t, pid)
		}
		if _, _, err := m.request(http.MethodGet, "/", ""); err == nil {
			t.Error("the published port still responds")
		}
		for _, line := range []string{"application starts", "application crashes", "application stops"} {
			if want := "/backend i-0123456789abcdef0/v1 " + line + "\n"; !strings.Contains(aws.logLines(), want) {
				t.Errorf("the log group has\n%s\nwant %s", aws.logLines(), want)
			}
		}
	})
}

// On Linux, a container has the user and the root directory of its image even if the emulator does not run as root.
func TestContainerOfUnprivilegedUser(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("only root can run the instance as another user; other users run the other tests without privileges")
	}
	m := powerOnMachine(t, newFakeAWS(t), "2023", bootScript("/release"), &syscall.Credential{Uid: 65534, Gid: 65534})
	got := m.ask("")
	want := got
	want.UID, want.GID, want.Directory, want.Greeting = 1234, 5678, "/srv", "hello world"
	if got != want {
		t.Errorf("the application responds %+v, want %+v", got, want)
	}
	m.stdin.Close()
	m.waitUntilOff()
	checkGone(t, got.PID)
}

func TestAgentRunsBesideTheBackend(t *testing.T) {
	forEachVersion(t, func(t *testing.T, amazonLinux string) {
		script := userdata.Script(userdata.Settings{
			Region: "eu-west-1", RepositoryURL: repository, ReleaseParameter: "/release", ParameterPath: "/backend",
			LogGroup: "/backend", Port: 8080, HealthCheckPath: "/ping",
			Agent:       userdata.Agent{TracesAddress: "172.17.0.1", Namespace: "starttech-test", GroupName: "starttech-test-backend"},
			Environment: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://172.17.0.1:4318", "OTEL_PROPAGATORS": "xray"},
		})
		m := powerOnMachine(t, newFakeAWS(t), amazonLinux, script)
		m.waitFor("the CloudWatch agent runs", 1)
		m.waitFor("user data finished with exit status 0", 1)
		got := m.ask("")
		want := "GREETING=hello world\nOTEL_EXPORTER_OTLP_ENDPOINT=http://172.17.0.1:4318\nOTEL_PROPAGATORS=xray\nPORT=" + got.Port + "\n"
		if got.File != want {
			t.Errorf("the container has the variables\n%s, want\n%s", got.File, want)
		}
	})
}

// The boot script reports the message of the stand-in, like that of the real program.
func TestConfigurationsOfTheAgentAreChecked(t *testing.T) {
	t.Parallel()
	const agent = `"agent": {"region": "eu-west-1", "metrics_collection_interval": 60}`
	for content, want := range map[string]string{
		`{` + agent + `, "metrics": {"metrics_collected": {"memory": {}}}}`: `json: unknown field "memory"`,
		`{"agent": {}, "metrics": {"metrics_collected": {"mem": {}}}}`:      "agent.region is empty",
		`{` + agent + `}`: "it has neither metrics nor traces",
		`{` + agent + `, "metrics": {"metrics_collected": {}}}`:                                                      "metrics.metrics_collected is empty",
		`{` + agent + `, "metrics": {"metrics_collected": {"mem": {"measurement": ["used"]}}}}`:                      `mem.measurement is ["used"]; the local AWS knows mem_used_percent`,
		`{` + agent + `, "metrics": {"append_dimensions": {"InstanceId": "i-1"}, "metrics_collected": {"mem": {}}}}`: "metrics.append_dimensions: InstanceId=i-1 is none of the agent's placeholders",
		`{` + agent + `, "traces": {"traces_collected": {}}}`:                                                        "traces.traces_collected is empty",
		`{` + agent + `, "traces": {"traces_collected": {"otlp": {"grpc_endpoint": "a:1"}}}}`:                        `ParseAddr("a"): unable to parse IP`,
	} {
		if _, err := parseAgentConfiguration([]byte(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
}

func TestPlaceholderRunsBeforeFirstRelease(t *testing.T) {
	forEachVersion(t, func(t *testing.T, amazonLinux string) {
		m := powerOnMachine(t, newFakeAWS(t), amazonLinux, bootScript("/none"))
		for path, want := range map[string]int{"/ping": 200, "/": 503} {
			eventually(t, func() error {
				got, _, err := m.request(http.MethodGet, path, "")
				if err == nil && got != want {
					t.Fatalf("status of %s is %d, want %d", path, got, want)
				}
				return err
			})
		}
	})
}

func TestFailedUserDataLeavesInstanceOn(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		m := powerOnMachine(t, newFakeAWS(t), "2023", "#!/bin/bash\necho failing >&2\nexit 7\n")
		m.waitFor("failing\n", 1)
		m.waitFor("user data finished with exit status 7", 1)
		select {
		case <-m.exited:
			t.Error("the instance is off")
		case <-time.After(100 * time.Millisecond):
		}
		must(t, m.command.Process.Signal(signal))
		m.waitUntilOff()
	}
}

func TestPowerOffKillsDaemons(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can find a process that has left its process group")
	}
	// The second one ignores SIGTERM. The user data has not finished.
	m := powerOnMachine(t, newFakeAWS(t), "2", `#!/bin/bash
(setsid /bin/sleep 1000 & echo "daemon $!.")
(trap '' TERM; while true; do /bin/sleep 1000; done) & echo "daemon $!."
wait
`)
	m.waitFor("daemon ", 2)
	var pids []int
	for _, line := range strings.Split(m.console.String(), "\n") {
		var pid int
		if n, _ := fmt.Sscanf(line, "daemon %d.", &pid); n == 1 {
			pids = append(pids, pid)
		}
	}
	if len(pids) != 2 {
		t.Fatalf("process IDs are %v, want 2", pids)
	}
	m.stdin.Close()
	m.waitUntilOff()
	for _, pid := range pids {
		checkGone(t, pid)
	}
}

func TestContainerDiesWithInit(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can kill a process when its parent dies")
	}
	m := powerOnMachine(t, newFakeAWS(t), "2023", bootScript("/release"))
	pid := m.ask("").PID
	m.isKilled = true
	must(t, m.command.Process.Kill())
	eventually(t, func() error {
		if syscall.Kill(pid, 0) == nil {
			return fmt.Errorf("process %d exists", pid)
		}
		return nil
	})
}
