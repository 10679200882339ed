package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
)

// result is what init responds to systemctl.
type result struct {
	Status         int
	Output, Errors string
}

// systemctl is the stand-in for systemctl: it sends its arguments to init.
func systemctl(arguments []string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	r, err := callInit(c, arguments...)
	if err != nil {
		return err
	}
	fmt.Print(r.Output)
	if r.Status == 0 {
		return nil
	}
	return exit{r.Status, errors.New(r.Errors)}
}

// controlSocket is the path of init's socket in the root directory. It is relative, because the path of a Unix socket has at most 107
// bytes (103 on macOS): https://man7.org/linux/man-pages/man7/unix.7.html
const controlSocket = "run/systemd/private"

// inRoot calls a function in the root directory.
func inRoot(c *config, call func() error) error {
	directory, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(c.Root); err != nil {
		return err
	}
	return errors.Join(call(), os.Chdir(directory))
}

// callInit executes a systemctl command in init.
func callInit(c *config, arguments ...string) (r result, err error) {
	var connection net.Conn
	err = inRoot(c, func() (err error) { connection, err = net.Dial("unix", controlSocket); return err })
	if err != nil {
		return r, err
	}
	defer connection.Close()
	if err := json.NewEncoder(connection).Encode(arguments); err != nil {
		return r, err
	}
	if err := json.NewDecoder(connection).Decode(&r); err != nil {
		return r, fmt.Errorf("no response from init: %w", err)
	}
	return r, nil
}

// listen serves systemctl.
func (s *services) listen() error {
	var listener net.Listener
	err := inRoot(s.config, func() (err error) { listener, err = net.Listen("unix", controlSocket); return err })
	if err != nil {
		return err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				logf("systemd", "%v", err)
				return
			}
			go s.serve(connection)
		}
	}()
	return nil
}

func (s *services) serve(connection net.Conn) {
	defer connection.Close()
	var arguments []string
	if err := json.NewDecoder(connection).Decode(&arguments); err != nil {
		logf("systemd", "%v", err)
		return
	}
	output, err := s.control(arguments)
	r := result{Output: output}
	if err != nil {
		failure := exit{1, err}
		errors.As(err, &failure)
		r.Status, r.Errors = failure.status, strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	_ = json.NewEncoder(connection).Encode(r)
}

// control executes a systemctl command: https://www.freedesktop.org/software/systemd/man/latest/systemctl.html
func (s *services) control(arguments []string) (output string, err error) {
	for _, argument := range arguments {
		if strings.HasPrefix(argument, "-") {
			return "", fmt.Errorf("option %s is not supported on the local AWS", argument)
		}
	}
	if slices.Equal(arguments, []string{"daemon-reload"}) {
		return "", nil // a unit file is read at every start
	}
	if len(arguments) < 2 {
		return "", fmt.Errorf("%q: too few arguments", strings.Join(arguments, " "))
	}
	if arguments[0] == "is-active" {
		state := s.state(serviceName(arguments[1]))
		if state != "active" {
			err = exit{status: 3}
		}
		return state + "\n", err
	}
	command := map[string]func(name string) error{
		"start": s.start, "stop": s.stop, "restart": s.restart, "enable": s.enable, "disable": s.disable,
	}[arguments[0]]
	if command == nil {
		return "", fmt.Errorf("command %s is not supported on the local AWS", arguments[0])
	}
	for _, name := range arguments[1:] {
		err = errors.Join(err, command(serviceName(name)))
	}
	return "", err
}

func serviceName(name string) string { return strings.TrimSuffix(name, ".service") }

// load reads the unit file of a service. A file in /etc overrides a package's.
func (s *services) load(name string) (*unit, error) {
	for _, directory := range []string{"etc/systemd/system", "usr/lib/systemd/system"} {
		file := s.path(directory + "/" + name + ".service")
		if _, err := os.Stat(file); err == nil {
			return loadUnit(name, file)
		}
	}
	return nil, exit{5, fmt.Errorf("unit %s.service not found", name)}
}

// enable checks that a service can be enabled. It has no other effect, because an instance boots once.
func (s *services) enable(name string) error {
	u, err := s.load(name)
	if err == nil && !u.isInstallable {
		err = errors.New("the unit has no WantedBy")
	}
	if err != nil {
		return fmt.Errorf("failed to enable %s: %w", name, err)
	}
	return nil
}

func (s *services) disable(name string) error {
	if _, err := s.load(name); err != nil {
		return fmt.Errorf("failed to disable %s: %w", name, err)
	}
	return nil
}
