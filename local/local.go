// Package local runs the local AWS, the emulator MiniStack on 127.0.0.1, and returns the environment variables that point
// Terraform and the other AWS clients to it.
package local

import (
	"bytes"
	"context"
	"crypto/rand"
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
	PID             int
	Root            string // root directory of the checkout that started it
	Port            int    // of the AWS API, on 127.0.0.1
	SitePort        int    // of CloudFront and the load balancers, on 127.0.0.1
	Account         string // account ID
	Region          string // default region of the AWS clients
	AccessKeyID     string // of the administrator; random in each run
	SecretAccessKey string
}

// program is the path of the Python program that runs MiniStack, relative to the root.
const program = "local/ministack"

// DefaultPort is the usual port of AWS emulators. The site port is the next one.
const DefaultPort = 4566

// Options configure Start.
type Options struct {
	Root    string // root directory of the checkout, with the Python environment in .venv
	Dir     string // directory of the log and of temporary files; Start creates it
	Account string // account ID of the emulator
	Region  string // default region of the AWS clients
	Port    int    // on 127.0.0.1; 0 means any free port. The site port is the next one, or any free port

	// Instances is the directory of the EC2 instances, which the emulator creates. If it is empty, instances do not boot.
	Instances       string
	InstanceProgram string  // path of the program that runs an instance
	RedisProgram    string  // path of the program that runs Redis. If it is empty, Redis is only an address
	TimeFactor      float64 // AWS's waiting times are divided by it; 0 means the emulator's default

	FaultRate float64 // part of the requests that fail, 0 to 1: throttled, with an internal error, or with a broken connection
	Down      string  // a service and the seconds that it is down from its first request on: "sns:120"; empty: none
}

// startTimeout limits the emulator's start, which takes a second or two on a warm disk.
const startTimeout = 60 * time.Second

// stopTimeout is the time between SIGTERM and SIGKILL. On a busy machine, the instances take 4 s to power off, and the
// emulator's HTTP server takes another 3 s.
const stopTimeout = 20 * time.Second

// Start starts the emulator and waits until it responds. The emulator outlives this process; Stop stops it.
func Start(ctx context.Context, options Options) (*AWS, error) {
	ports, err := freePorts(options.Port)
	if err != nil {
		return nil, err
	}
	temporary, err := filepath.Abs(filepath.Join(options.Dir, "tmp"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(temporary, 0o755); err != nil {
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
	aws := &AWS{
		Root: options.Root, Port: ports[0], SitePort: ports[1], Account: options.Account, Region: options.Region,
		AccessKeyID: "AKIA" + rand.Text()[:16], SecretAccessKey: rand.Text() + rand.Text()[:14],
	}
	command := exec.Command(python, aws.arguments()...)
	if options.Instances != "" {
		command.Args = append(command.Args, "--instances", options.Instances, "--instance-program", options.InstanceProgram)
	}
	if options.RedisProgram != "" {
		command.Args = append(command.Args, "--redis-program", options.RedisProgram)
	}
	if options.TimeFactor != 0 {
		command.Args = append(command.Args, "--time-factor", strconv.FormatFloat(options.TimeFactor, 'f', -1, 64))
	}
	if options.FaultRate != 0 {
		command.Args = append(command.Args, "--fault-rate", strconv.FormatFloat(options.FaultRate, 'f', -1, 64))
	}
	if options.Down != "" {
		command.Args = append(command.Args, "--down", options.Down)
	}
	// Other users can read the arguments of a process, but not its environment. The instances use the AWS CLI of PATH.
	path := filepath.Dir(python) + string(os.PathListSeparator) + os.Getenv("PATH")
	command.Env = append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+aws.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+aws.SecretAccessKey, "PATH="+path, "TMPDIR="+temporary)
	command.Stdout, command.Stderr = log, log
	// Ctrl-C must not stop it. No session of its own, in which Linux would ignore the nice value of this process
	// (https://man7.org/linux/man-pages/man7/sched.7.html, "The autogroup feature").
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the local AWS: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()

	aws.PID = command.Process.Pid
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), aws.Stop())
		case <-exited:
			content, _ := os.ReadFile(logFile)
			return nil, fmt.Errorf("the local AWS exited: %s (log: %s)", lastLine(content), logFile)
		case <-time.After(100 * time.Millisecond):
			if aws.Alive() {
				return aws, nil
			}
		}
	}
	return nil, errors.Join(fmt.Errorf("the local AWS does not respond after %s (log: %s)", startTimeout, logFile), aws.Stop())
}

// arguments returns the arguments of Python that identify the emulator among all processes.
func (a *AWS) arguments() []string {
	return []string{
		filepath.Join(a.Root, program), "--account", a.Account, "--port", strconv.Itoa(a.Port), "--site-port", strconv.Itoa(a.SitePort),
	}
}

// freePorts returns two free ports: the wanted one and the next, or any for 0. It returns an error if one of them is in use.
func freePorts(wanted int) (ports [2]int, err error) {
	for i := range ports {
		port := 0
		if wanted != 0 {
			port = wanted + i
		}
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if errors.Is(err, syscall.EADDRINUSE) {
			return ports, fmt.Errorf("port %d is in use by another program: stop that program, or choose other ports with make up PORT=%d", port, wanted+2)
		} else if err != nil {
			return ports, err
		}
		defer listener.Close() // after both are found, so that they differ
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// Endpoint returns the endpoint URL, which is the same for every service.
func (a *AWS) Endpoint() string { return "http://127.0.0.1:" + strconv.Itoa(a.Port) }

// SiteURL returns the URL at which a browser on this machine reaches a site, whose public URL is https://LABEL.cloudfront.net
// or https://app.example.com.
func (a *AWS) SiteURL(public string) string {
	host := strings.TrimSuffix(strings.TrimPrefix(public, "https://"), ".net")
	if !strings.HasSuffix(host, ".cloudfront") {
		host = strings.TrimPrefix(public, "https://")
	}
	return fmt.Sprintf("http://%s.localhost:%d", host, a.SitePort)
}

// SiteTransport returns a transport that sends every request to the site port, whatever its host. Browsers resolve *.localhost themselves,
// and Go does not.
func (a *AWS) SiteTransport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	var dialer net.Dialer
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(a.SitePort)))
	}
	return transport
}

// Env returns the environment variables that point AWS clients to the emulator, and not to the caller's own account. A
// variable with an empty value must be unset.
func (a *AWS) Env() map[string]string {
	env := map[string]string{
		"AWS_ENDPOINT_URL":                    a.Endpoint(),
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "",
		"AWS_REGION":                          a.Region,
		"AWS_DEFAULT_REGION":                  a.Region,
		"AWS_ACCESS_KEY_ID":                   a.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":               a.SecretAccessKey,
		"AWS_SESSION_TOKEN":                   "",
		"AWS_PROFILE":                         "",
		"AWS_DEFAULT_PROFILE":                 "",
		"AWS_EC2_METADATA_DISABLED":           "true",
		"AWS_MAX_ATTEMPTS":                    "3", // if the emulator does not respond, more attempts do not help
		"AWS_CONFIG_FILE":                     os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE":         os.DevNull,
	}
	for _, variable := range os.Environ() { // AWS_ENDPOINT_URL_S3, for example, overrides AWS_ENDPOINT_URL
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_ENDPOINT_URL_") {
			env[name] = ""
		}
	}
	return env
}

// Alive reports whether the emulator responds. Another emulator on the same port has another access key.
func (a *AWS) Alive() bool {
	request, err := http.NewRequest(http.MethodGet, a.Endpoint()+"/_local/calls", nil)
	if err != nil {
		return false
	}
	request.SetBasicAuth(a.AccessKeyID, a.SecretAccessKey)
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Stop stops the emulator and waits until its process has exited. Every resource is lost. Stop does nothing if the
// emulator is not running.
func (a *AWS) Stop() error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !a.isRunning() {
			return nil
		}
		if err := syscall.Kill(a.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the local AWS, process %d: %w", a.PID, err)
		}
		for deadline := time.Now().Add(stopTimeout); time.Now().Before(deadline); {
			time.Sleep(100 * time.Millisecond)
			if !a.isRunning() {
				return nil
			}
		}
	}
	return fmt.Errorf("the local AWS, process %d, does not exit", a.PID)
}

// isRunning reports whether the process exists and is this emulator. The system reuses process IDs, and another checkout can
// have an emulator, too.
func (a *AWS) isRunning() bool {
	identity := strings.Join(a.arguments(), " ")
	running, err := Processes(identity)
	if err != nil {
		return a.Alive()
	}
	return strings.Contains(running[a.PID]+" ", identity+" ")
}

// Save writes the emulator to aws.json in a directory. Only the user may read the file, because it contains the access key.
func (a *AWS) Save(dir string) error {
	content, err := json.Marshal(a)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "aws.json")
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Load reads the emulator that Save wrote to a directory. It returns nil if there is none.
func Load(dir string) (*AWS, error) {
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
