package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/pflag"
)

// runOptions are the options of docker run.
type runOptions struct {
	name, publish, logDriver                string
	envFiles, volumes, logOptions, security []string
	memory                                  string // not enforced, like processes
	processes                               int
	droppedCapabilities                     []string
	image                                   name.Reference
	command                                 []string
}

func parseRun(flags *pflag.FlagSet, arguments []string) (*runOptions, error) {
	o := &runOptions{}
	isRemoved := flags.Bool("rm", false, "")
	flags.StringVar(&o.name, "name", "", "")
	flags.StringArrayVar(&o.envFiles, "env-file", nil, "")
	flags.StringArrayVarP(&o.volumes, "volume", "v", nil, "")
	flags.StringVarP(&o.publish, "publish", "p", "", "")
	flags.StringVar(&o.logDriver, "log-driver", "", "")
	flags.StringArrayVar(&o.logOptions, "log-opt", nil, "")
	flags.StringArrayVar(&o.security, "security-opt", nil, "")
	flags.StringVar(&o.memory, "memory", "", "")
	flags.IntVar(&o.processes, "pids-limit", 0, "")
	flags.StringArrayVar(&o.droppedCapabilities, "cap-drop", nil, "")
	arguments, err := parse(flags, arguments, true)
	if err != nil {
		return nil, err
	}
	for _, option := range o.security {
		if option != "no-new-privileges" {
			return nil, fmt.Errorf("--security-opt %s is not supported on the local AWS; it has no-new-privileges", option)
		}
	}
	for _, capability := range o.droppedCapabilities {
		if capability != "ALL" {
			return nil, fmt.Errorf("--cap-drop %s is not supported on the local AWS; it has ALL", capability)
		}
	}
	if o.memory != "" && !memoryLimit.MatchString(o.memory) {
		return nil, fmt.Errorf("--memory %s is not a number of bytes with the unit b, k, m or g", o.memory)
	}
	if !*isRemoved {
		return nil, errors.New("--rm is required on the local AWS: a container does not exist after its exit")
	}
	o.command = arguments[1:]
	o.image, err = name.ParseReference(arguments[0])
	return o, err
}

// memoryLimit matches a limit of the memory: https://docs.docker.com/reference/cli/docker/container/run/#memory
var memoryLimit = regexp.MustCompile(`^[1-9][0-9]*[bkmg]?$`)

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
	port        int    // on 127.0.0.1, where the container listens; 0 without --publish
	published   string // address on which the port is published
}

// run is docker run. Its exit status is that of the container.
func (e engine) run(flags *pflag.FlagSet, arguments []string) (err error) {
	o, err := parseRun(flags, arguments)
	if err != nil {
		return err
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	c := &container{engine: e, runOptions: o, id: hex.EncodeToString(id)}
	c.name = cmp.Or(c.name, c.id[:12])
	lock, err := e.reserveName(c.name)
	if err != nil {
		return err
	}
	defer lock.Close()
	defer func() { err = errors.Join(err, lock.Truncate(0)) }()

	directory := e.path("var/lib/docker/containers/" + c.id)
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	if err := c.prepare(filepath.Join(directory, "rootfs")); err != nil {
		return err
	}
	defer c.root.Close()
	out, err := newOutput(e, o.logDriver, o.logOptions, c.id)
	if err != nil {
		return err
	}
	defer out.close()
	return c.execute(lock, out)
}

// prepare fills the root directory, and sets user, port and environment.
func (c *container) prepare(directory string) (err error) {
	syscall.Umask(0o022)
	if c.image, err = c.local(c.runOptions.image); err != nil {
		return err
	}
	file, err := c.image.ConfigFile()
	if err != nil {
		return err
	}
	if c.settings = file.Config; file.OS != runtime.GOOS || file.Architecture != runtime.GOARCH {
		return fmt.Errorf("the image is for %s/%s, and a container is a process of this machine, which has %s/%s",
			file.OS, file.Architecture, runtime.GOOS, runtime.GOARCH)
	}
	if c.root, err = makeRootDirectory(directory); err != nil {
		return err
	}
	if err := c.root.extract(c.image); err != nil {
		return err
	}
	if c.account, err = c.root.account(c.settings.User); err != nil {
		return err
	}
	if c.publish != "" {
		if err := c.choosePort(); err != nil {
			return err
		}
	}
	if err := c.addFiles(); err != nil {
		return err
	}
	return c.setEnvironment()
}

// addFiles adds the files that the image does not contain.
func (c *container) addFiles() error {
	if err := c.root.MkdirAll("."+path.Join("/", c.settings.WorkingDir), 0o755); err != nil {
		return err
	}
	if err := c.root.put("/dev/null", nil, 0o666); err != nil { // an empty file, because only root can make a device
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
	return c.addVolumes()
}

// execute runs the container until it exits, forwards signals to it, and publishes its port.
func (c *container) execute(lock *os.File, out *output) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	command, err := c.start(out)
	if err != nil {
		return err
	}
	pid := command.Process.Pid
	if _, err := fmt.Fprint(lock, pid); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(exited)
	}()
	failed := make(chan error, 1)
	if c.port != 0 {
		go func() { failed <- forward(c.published, c.port, exited) }()
	}
	for {
		select {
		case <-exited:
			if command.SysProcAttr.Setpgid {
				_ = syscall.Kill(-pid, syscall.SIGKILL) // the rest of the container
			}
			if status := exitStatus(command.ProcessState.Sys().(syscall.WaitStatus)); status != 0 {
				return exit{status: status}
			}
			return nil
		case received := <-signals:
			_ = command.Process.Signal(received)
		case err := <-failed:
			if err != nil {
				_ = command.Process.Kill()
				<-exited
				return fmt.Errorf("publish the port: %w", err)
			}
		}
	}
}

// start starts the program of the container.
func (c *container) start(out *output) (*exec.Cmd, error) {
	arguments := c.command
	if len(arguments) == 0 {
		arguments = c.settings.Cmd
	}
	arguments = append(c.settings.Entrypoint[:len(c.settings.Entrypoint):len(c.settings.Entrypoint)], arguments...)
	if len(arguments) == 0 {
		return nil, errors.New("no command specified")
	}
	program, err := c.findProgram(arguments[0])
	if err != nil {
		return nil, exit{127, err}
	}
	stdout, stderr, err := out.pipes()
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	defer stderr.Close()
	runtime.LockOSThread() // forbidPrivileges changes a thread, and Start copies it
	if len(c.security) > 0 {
		if err := forbidPrivileges(); err != nil {
			return nil, err
		}
	}

	newCommand := func(root string, attributes *syscall.SysProcAttr) *exec.Cmd {
		return &exec.Cmd{
			Path: root + program, Args: arguments, Env: c.environment, Dir: root + path.Join("/", c.settings.WorkingDir),
			Stdout: stdout, Stderr: stderr, SysProcAttr: attributes,
		}
	}
	if attributes := containerAttributes(c.root.path, c.account); attributes != nil {
		command := newCommand("", attributes)
		err := command.Start()
		if err == nil {
			return command, nil
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil, exit{127, err}
		}
		fmt.Fprintf(os.Stderr, "this machine does not allow another root directory: %v\n", err)
	}
	fmt.Fprintf(os.Stderr, "%s runs as the user of this machine and can read its files; paths in the image start with %s\n",
		c.name, c.root.path)
	command := newCommand(c.root.path, unconfinedAttributes())
	return command, command.Start()
}

// findProgram returns the path of a program in the root directory of the container, as execvp finds it.
func (c *container) findProgram(name string) (string, error) {
	switch {
	case path.IsAbs(name):
		return name, nil
	case strings.Contains(name, "/"):
		return path.Join("/", c.settings.WorkingDir, name), nil
	}
	return c.lookPath(name)
}
