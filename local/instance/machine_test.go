package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Programs that TestMain builds.
var program, application string

func TestMain(m *testing.M) {
	directory, err := os.MkdirTemp("", "instance-test-")
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(directory, 0o755); err != nil { // one of the tests runs the program as another user
		panic(err)
	}
	program, application = filepath.Join(directory, "instance"), filepath.Join(directory, "application")
	for _, build := range []*exec.Cmd{
		exec.Command("go", "build", "-o", program, "."),
		// Its root directory has no libraries.
		exec.Command("env", "CGO_ENABLED=0", "go", "build", "-o", application, "./testdata/application"),
	} {
		if output, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%s", build, err, output)
			os.Exit(1)
		}
	}
	status := m.Run()
	os.RemoveAll(directory)
	os.Exit(status)
}

// machine is a running instance.
type machine struct {
	t        *testing.T
	config   config
	command  *exec.Cmd
	stdin    io.Closer
	console  *console
	exited   chan struct{}
	isKilled bool // the test has killed init
}

// console is the output of an instance.
type console struct {
	mu sync.Mutex
	bytes.Buffer
}

func (c *console) Write(content []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Buffer.Write(content)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Buffer.String()
}

var machines atomic.Int32

// powerOnMachine starts an instance with a stand-in for the AWS CLI. It runs as the user of the test, or as another user.
func powerOnMachine(t *testing.T, aws *fakeAWS, amazonLinux, userData string, user ...*syscall.Credential) *machine {
	t.Helper()
	directory := t.TempDir()
	must(t, os.Mkdir(filepath.Join(directory, "bin"), 0o755))
	must(t, os.WriteFile(filepath.Join(directory, "bin", "aws"), []byte(awsCLI), 0o755))
	// This machine's Docker is not an instance's.
	must(t, os.WriteFile(filepath.Join(directory, "bin", "docker"), []byte("#!/bin/bash\nexit 99\n"), 0o755))
	m := &machine{t: t, console: &console{}, exited: make(chan struct{}), config: config{
		InstanceID: "i-0123456789abcdef0", Root: filepath.Join(directory, "root"), AmazonLinux: amazonLinux, UserData: userData,
		Region: "eu-west-1", Endpoint: aws.URL, Metadata: aws.URL + metadataURL, TimeFactor: 20,
		Path: filepath.Join(directory, "bin") + ":" + os.Getenv("PATH") + ":/usr/bin:/bin",
	}}
	// Linux has every address in 127.0.0.0/8. The emulator does not use the upper half. Other systems have one, and need a free port.
	m.config.Address, m.config.Publish = "127.0.0.1", map[int]int{8080: freePort(t)}
	if runtime.GOOS == "linux" {
		m.config.Address = fmt.Sprintf("127.%d.%d.%d", 128+os.Getpid()/250%120, os.Getpid()%250, 1+machines.Add(1))
		m.config.Publish[8080] = 8080
	}
	content, err := json.Marshal(m.config)
	must(t, err)
	file := filepath.Join(directory, "instance.json")
	must(t, os.WriteFile(file, content, 0o600))

	m.command = exec.Command(program, "init", file)
	m.command.Stdout, m.command.Stderr = m.console, m.console
	m.command.Env = []string{"PATH=" + os.Getenv("PATH"), "AWS_ACCESS_KEY_ID=of-the-caller"}
	m.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	for _, credential := range user {
		m.command.SysProcAttr.Credential = credential
		must(t, os.Chmod(filepath.Dir(directory), 0o755))
		must(t, os.Chown(directory, int(credential.Uid), int(credential.Gid)))
		must(t, os.Chown(file, int(credential.Uid), int(credential.Gid)))
	}
	m.stdin, err = m.command.StdinPipe()
	must(t, err)
	must(t, m.command.Start())
	go func() {
		_ = m.command.Wait()
		close(m.exited)
	}()
	t.Cleanup(func() {
		m.stdin.Close()
		m.waitUntilOff()
		if t.Failed() {
			t.Logf("console:\n%s", m.console)
		}
	})
	return m
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// waitFor waits until the console contains a text, number times.
func (m *machine) waitFor(text string, number int) {
	m.t.Helper()
	eventually(m.t, func() error {
		if strings.Count(m.console.String(), text) < number {
			return fmt.Errorf("the console does not contain %q %d times", text, number)
		}
		return nil
	})
}

// waitUntilOff waits until the instance is off, and checks that its directory is gone.
func (m *machine) waitUntilOff() {
	m.t.Helper()
	select {
	case <-m.exited:
	case <-time.After(time.Minute):
		_ = m.command.Process.Kill()
		m.t.Error("the instance does not power off")
		return
	}
	if m.isKilled {
		return
	}
	if status := m.command.ProcessState.ExitCode(); status != 0 {
		m.t.Errorf("exit status of init is %d, want 0", status)
	}
	if _, err := os.Stat(m.config.Root); !errors.Is(err, os.ErrNotExist) {
		m.t.Errorf("%s: %v, want no such directory", m.config.Root, err)
	}
}

// eventually calls try until it returns no error. After a minute, the test fails.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// checkGone checks that a process does not exist. A zombie does not run any more.
func checkGone(t *testing.T, pid int) {
	t.Helper()
	state, _ := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	if text := strings.TrimSpace(string(state)); text != "" && text[0] != 'Z' {
		t.Errorf("process %d exists, in state %s", pid, text)
	}
}

// awsCLI is the stand-in for the AWS CLI, which not every machine has. It implements the calls of the boot script.
const awsCLI = `#!/bin/bash
[[ $AWS_EC2_METADATA_SERVICE_ENDPOINT == "$AWS_ENDPOINT_URL/"* && -z ${AWS_ACCESS_KEY_ID:-} ]] || exit 1
case "$1 $2 $4" in
  'ssm get-parameter /release') echo v1 ;;
  'ssm get-parameter /none') echo none ;;
  'ssm get-parameters-by-path /backend') echo '[["/backend/GREETING", "hello world"]]' ;;
  'ecr get-login-password'*) echo ` + password + ` ;;
  'logs create-log-stream'* | 'logs put-log-events'*) ;;
  *) echo "aws $*: not supported" >&2; exit 1 ;;
esac
`
