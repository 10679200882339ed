package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/pflag"
)

// runOptions are the options of docker run.
type runOptions struct {
	name, user, workdir             string
	envFiles, env, volumes, publish []string
	logDriver                       string
	logOptions                      []string
	noNewPrivs                      bool
	image                           name.Reference
	command                         []string
}

// ineffective are options that docker run accepts, with a line on standard error. The value is why they have no effect.
var ineffective = map[string]string{
	"memory":     "a container is a process without limits",
	"pids-limit": "a container is a process without limits",
	"cap-drop":   "a container has the rights of its user on this machine",
}

func parseRun(flags *pflag.FlagSet, arguments []string) (*runOptions, error) {
	o := &runOptions{}
	isRemoved := flags.Bool("rm", false, "")
	isDetached := flags.BoolP("detach", "d", false, "")
	var security []string
	flags.StringVar(&o.name, "name", "", "")
	flags.StringVarP(&o.user, "user", "u", "", "")
	flags.StringVarP(&o.workdir, "workdir", "w", "", "")
	flags.StringArrayVar(&o.envFiles, "env-file", nil, "")
	flags.StringArrayVarP(&o.env, "env", "e", nil, "")
	flags.StringArrayVarP(&o.volumes, "volume", "v", nil, "")
	flags.StringArrayVarP(&o.publish, "publish", "p", nil, "")
	flags.StringVar(&o.logDriver, "log-driver", "", "")
	flags.StringArrayVar(&o.logOptions, "log-opt", nil, "")
	flags.StringArrayVar(&security, "security-opt", nil, "")
	flags.StringP("memory", "m", "", "")
	flags.Int("pids-limit", 0, "")
	flags.StringArray("cap-drop", nil, "")
	arguments, err := parse(flags, arguments, 1, many)
	if err != nil {
		return nil, err
	}
	flags.Visit(func(flag *pflag.Flag) {
		if why, ok := ineffective[flag.Name]; ok {
			fmt.Fprintf(os.Stderr, "docker: --%s has no effect on the local AWS: %s\n", flag.Name, why)
		}
	})
	for _, option := range security {
		if o.noNewPrivs = strings.HasPrefix(option, "no-new-privileges"); !o.noNewPrivs || strings.HasSuffix(option, "false") {
			return nil, fmt.Errorf("--security-opt %s is not supported on the local AWS", option)
		}
	}
	switch {
	case *isDetached:
		return nil, errors.New("--detach is not supported on the local AWS: let systemd run docker run in the foreground")
	case !*isRemoved:
		return nil, errors.New("--rm is required on the local AWS: a container does not exist after its exit")
	case len(o.publish) > 1:
		return nil, errors.New("one --publish is supported on the local AWS: the container gets its port in PORT")
	}
	o.command = arguments[1:]
	o.image, err = name.ParseReference(arguments[0])
	return o, err
}

// run is docker run. Its exit status is that of the container.
func (e engine) run(flags *pflag.FlagSet, arguments []string) (err error) {
	o, err := parseRun(flags, arguments)
	if err != nil {
		return err
	}
	syscall.Umask(0o022)
	image, err := e.local(o.image)
	if err == nil && image == nil {
		image, err = e.pull(o.image)
	}
	if err != nil {
		return err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	c := &container{engine: e, runOptions: o, image: image, settings: file.Config, id: hex.EncodeToString(id)}
	c.name = cmp.Or(c.name, c.id[:12])

	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	defer func() { err = errors.Join(err, os.Remove(lock.Name())) }()
	directory := e.path("var/lib/docker/containers/" + c.id)
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	if c.root, err = makeRootDirectory(filepath.Join(directory, "rootfs")); err != nil {
		return err
	}
	defer c.root.Close()
	if err := c.prepare(); err != nil {
		return err
	}
	out, err := newOutput(e, o.logDriver, o.logOptions, c.id)
	if err != nil {
		return err
	}
	defer out.close()
	return c.execute(lock, out)
}

// container is a container of docker run.
type container struct {
	engine
	*runOptions
	image       v1.Image
	settings    v1.Config
	id          string
	root        rootDirectory
	account     account
	environment []string
	port        int // on 127.0.0.1, where the container listens; 0 without --publish
	published   int // on the instance's address
}

// prepare fills the root directory, and sets user, environment and port.
func (c *container) prepare() error {
	if err := c.root.extract(c.image); err != nil {
		return err
	}
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts"} { // a container shares the network of this machine
		content, err := os.ReadFile(file)
		if err == nil {
			err = c.root.put(file, content, 0o644)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, volume := range c.volumes {
		fields := strings.Split(volume, ":")
		if len(fields) != 3 || fields[2] != "ro" || !path.IsAbs(fields[1]) || path.Clean(fields[1]) == "/" {
			return fmt.Errorf("--volume %s: FILE:PATH:ro is supported on the local AWS", volume)
		}
		content, err := os.ReadFile(fields[0]) // of a file only
		if err != nil {
			return fmt.Errorf("--volume %s: %w", volume, err)
		}
		if err := c.root.put(fields[1], content, 0o444); err != nil {
			return err
		}
	}
	c.workdir = path.Join("/", cmp.Or(c.workdir, c.settings.WorkingDir))
	if err := c.root.MkdirAll("."+c.workdir, 0o755); err != nil {
		return err
	}
	for _, mountPoint := range mountPoints {
		if err := c.root.put(mountPoint, nil, 0o644); err != nil {
			return err
		}
	}
	if err := c.root.MkdirAll("proc", 0o755); err != nil {
		return err
	}
	var err error
	if c.account, err = c.root.account(cmp.Or(c.user, c.settings.User)); err != nil {
		return err
	}
	if err := c.choosePort(); err != nil {
		return err
	}
	return c.setEnvironment()
}

var publishing = regexp.MustCompile(`^(?:0\.0\.0\.0:)?(\d+):(\d+)(?:/tcp)?$`)

// choosePort chooses a free port for the container. Containers share the network interfaces of this machine, so two of them cannot
// listen on the same port.
func (c *container) choosePort() error {
	if len(c.publish) == 0 {
		return nil
	}
	ports := publishing.FindStringSubmatch(c.publish[0])
	if ports == nil {
		return fmt.Errorf("--publish %s: PORT:PORT is supported on the local AWS", c.publish[0])
	}
	published, _ := strconv.Atoi(ports[1])
	c.published = c.publishedPort(published)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.port = listener.Addr().(*net.TCPAddr).Port
	return listener.Close()
}

// setEnvironment sets the environment, as Docker does: https://docs.docker.com/reference/cli/docker/container/run/#env
// PORT is the free port.
func (c *container) setEnvironment() error {
	variables := slices.Concat([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=" + c.id[:12], "HOME=" + c.account.home,
	}, c.settings.Env)
	for _, file := range c.envFiles {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(content)) {
			line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
			if line != "" && line[0] != '#' {
				variables = append(variables, line)
			}
		}
	}
	variables = append(variables, c.env...)
	if c.port != 0 {
		variables = append(variables, fmt.Sprintf("PORT=%d", c.port))
	}
	for _, variable := range variables {
		name, _, hasValue := strings.Cut(variable, "=")
		if name == "" || strings.ContainsAny(name, " \t") {
			return fmt.Errorf("%q is not the name of an environment variable", name)
		}
		if !hasValue { // the value of docker's own environment
			value, ok := os.LookupEnv(name)
			if !ok {
				continue
			}
			variable = name + "=" + value
		}
		c.environment = slices.DeleteFunc(c.environment, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		c.environment = append(c.environment, variable)
	}
	return nil
}

// commandLine returns the program of the container and its arguments.
func (c *container) commandLine() ([]string, error) {
	arguments := c.command
	if len(arguments) == 0 {
		arguments = c.settings.Cmd
	}
	if arguments = slices.Concat(c.settings.Entrypoint, arguments); len(arguments) == 0 {
		return nil, errors.New("no command specified")
	}
	return arguments, nil
}

// execute runs the container until it exits, forwards signals to it, and publishes its port as soon as it listens.
func (c *container) execute(lock *os.File, out *output) error {
	arguments, err := c.commandLine()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	children := newProcesses()
	stdout, stderr, err := out.pipes()
	if err != nil {
		return err
	}
	pid, exited, err := c.start(children, arguments, stdout, stderr)
	stdout.Close()
	stderr.Close()
	if err != nil {
		return err
	}
	defer children.killAll()
	if _, err := fmt.Fprint(lock, pid); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	failed := make(chan error, 1)
	if c.port != 0 {
		go func() {
			failed <- forward(net.JoinHostPort(c.Address, strconv.Itoa(c.published)), c.port, ended)
		}()
	}
	for {
		select {
		case status := <-exited:
			if code := exitStatus(status); code != 0 {
				return exit{status: code}
			}
			return nil
		case received := <-signals:
			_ = syscall.Kill(pid, received.(syscall.Signal))
		case err := <-failed:
			_ = syscall.Kill(pid, syscall.SIGKILL)
			<-exited
			return fmt.Errorf("publish the port: %w", err)
		}
	}
}

// forward listens on address as soon as a program listens on a port of 127.0.0.1, and forwards connections to it, until ended is closed.
// Before, connections are refused. Docker's own proxy works in the same way.
func forward(address string, port int, ended <-chan struct{}) error {
	target := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for {
		connection, err := net.Dial("tcp", target)
		if err == nil {
			connection.Close()
			break
		}
		select {
		case <-ended:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() {
		<-ended
		listener.Close()
	}()
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", target)
			if err != nil {
				return
			}
			defer server.Close()
			done := make(chan struct{})
			go func() {
				transfer(server, client)
				close(done)
			}()
			transfer(client, server)
			<-done
		}()
	}
}

// transfer copies a direction of a connection, and passes on its end.
func transfer(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}
