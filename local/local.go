// Package local is the local AWS: an emulator on 127.0.0.1, and the environment that sends Terraform and every AWS
// client to it.
package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// AWS is a running emulator.
type AWS struct {
	PID     int
	Port    int
	Account string
	Region  string
}

// program is the Python program that runs MiniStack, relative to the checkout's root. It also identifies the process in ps.
const program = "local/ministack"

// DefaultPort is the port that AWS emulators usually take.
const DefaultPort = 4566

// Options says how the emulator starts.
type Options struct {
	Root    string // of the checkout, with the Python environment in .venv
	Dir     string // for the log; made if it is not there
	Account string // that the emulator takes as its own
	Region  string // that AWS clients take where nothing else says one
	Port    int    // 0: a free one
}

// startTimeout is how long the emulator may take to answer. It takes a second or two on a warm disk.
const startTimeout = 60 * time.Second

// Start starts the emulator and waits until it answers. It runs on when this process ends; Stop ends it.
func Start(ctx context.Context, options Options) (*AWS, error) {
	port, err := freePort(options.Port)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(options.Dir, 0o755); err != nil {
		return nil, err
	}
	logFile := filepath.Join(options.Dir, "aws.log")
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	python := filepath.Join(options.Root, ".venv", "bin", "python")
	if _, err := os.Stat(python); errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the local AWS is not installed: run make install")
	}
	command := exec.Command(python, filepath.Join(options.Root, program), "--port", strconv.Itoa(port), "--account", options.Account)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is for this process
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the local AWS: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()

	aws := &AWS{PID: command.Process.Pid, Port: port, Account: options.Account, Region: options.Region}
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), aws.Stop())
		case <-ended:
			content, _ := os.ReadFile(logFile)
			return nil, fmt.Errorf("the local AWS ended: %s (log: %s)", lastLine(content), logFile)
		case <-time.After(100 * time.Millisecond):
			if aws.Alive() {
				return aws, nil
			}
		}
	}
	return nil, errors.Join(fmt.Errorf("the local AWS does not answer after %s (log: %s)", startTimeout, logFile), aws.Stop())
}

// freePort is the wanted port, or any free one where none is wanted.
func freePort(wanted int) (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(wanted))
	if errors.Is(err, syscall.EADDRINUSE) {
		return 0, fmt.Errorf("port %d is taken by another program: end that one, or choose another port with make up PORT=%d", wanted, wanted+1)
	} else if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Endpoint is the address of every service.
func (a *AWS) Endpoint() string { return "http://127.0.0.1:" + strconv.Itoa(a.Port) }

// Env sends AWS clients to the emulator, and away from the caller's real account. An empty value means that the
// variable must not be set.
func (a *AWS) Env() map[string]string {
	env := map[string]string{
		"AWS_ENDPOINT_URL":                    a.Endpoint(),
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "",
		"AWS_REGION":                          a.Region,
		"AWS_DEFAULT_REGION":                  a.Region,
		"AWS_ACCESS_KEY_ID":                   "test",
		"AWS_SECRET_ACCESS_KEY":               "test",
		"AWS_SESSION_TOKEN":                   "",
		"AWS_PROFILE":                         "",
		"AWS_DEFAULT_PROFILE":                 "",
		"AWS_EC2_METADATA_DISABLED":           "true",
		"AWS_MAX_ATTEMPTS":                    "3", // it answers, or it is dead
		"AWS_CONFIG_FILE":                     os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE":         os.DevNull,
	}
	for _, variable := range os.Environ() { // AWS_ENDPOINT_URL_S3 and its like would lead elsewhere
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_ENDPOINT_URL_") {
			env[name] = ""
		}
	}
	return env
}

// Alive tells whether the emulator answers.
func (a *AWS) Alive() bool {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get(a.Endpoint() + "/_ministack/health")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// Stop ends the emulator, which forgets everything, and waits until it is gone.
func (a *AWS) Stop() error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !a.running() {
			return nil
		}
		if err := syscall.Kill(a.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the local AWS, process %d: %w", a.PID, err)
		}
		for range 50 {
			time.Sleep(100 * time.Millisecond)
			if !a.running() {
				return nil
			}
		}
	}
	return fmt.Errorf("the local AWS, process %d, does not end", a.PID)
}

// running tells whether the process is there and is still the emulator: a number is given out again.
func (a *AWS) running() bool {
	out, err := exec.Command("ps", "-o", "stat=", "-o", "command=", "-p", strconv.Itoa(a.PID)).Output()
	if errors.Is(err, exec.ErrNotFound) { // some container images have no ps
		return a.Alive()
	}
	state := string(out)
	return err == nil && !strings.HasPrefix(state, "Z") && strings.Contains(state, program)
}

// Save remembers the emulator for another process.
func (a *AWS) Save(dir string) error {
	content, err := json.Marshal(a)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "aws.json")
	if err := os.WriteFile(file+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Saved is the emulator that Save remembered; nil where there is none.
func Saved(dir string) (*AWS, error) {
	content, err := os.ReadFile(filepath.Join(dir, "aws.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var aws AWS
	if err := json.Unmarshal(content, &aws); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "aws.json"), err)
	}
	return &aws, nil
}

func lastLine(content []byte) string {
	text := strings.TrimSpace(string(bytes.ToValidUTF8(content, nil)))
	return text[strings.LastIndex(text, "\n")+1:]
}
