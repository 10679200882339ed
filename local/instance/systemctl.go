package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
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
	socket, err := os.Readlink(c.path("run/systemd/private"))
	if err != nil {
		return err
	}
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := json.NewEncoder(connection).Encode(arguments); err != nil {
		return err
	}
	var r result
	if err := json.NewDecoder(connection).Decode(&r); err != nil {
		return fmt.Errorf("no response from init: %w", err)
	}
	fmt.Print(r.Output)
	if r.Status != 0 {
		if r.Errors == "" {
			return exit{status: r.Status}
		}
		return exit{r.Status, errors.New(r.Errors)}
	}
	return nil
}

// listen serves systemctl. The link run/systemd/private leads to the socket.
func (s *services) listen() error {
	socket := filepath.Join(s.runtime, "systemd")
	listener, err := net.Listen("unix", socket)
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
	return os.Symlink(socket, s.path("run/systemd/private"))
}

func (s *services) serve(connection net.Conn) {
	defer connection.Close()
	var arguments []string
	if err := json.NewDecoder(connection).Decode(&arguments); err != nil {
		logf("systemd", "%v", err)
		return
	}
	var output strings.Builder
	r := result{}
	if err := s.control(arguments, &output); err != nil {
		failure := exit{1, err}
		errors.As(err, &failure)
		r.Status, r.Errors = failure.status, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	}
	r.Output = output.String()
	_ = json.NewEncoder(connection).Encode(r)
}

// control does what a systemctl command demands: https://www.freedesktop.org/software/systemd/man/latest/systemctl.html
func (s *services) control(arguments []string, output *strings.Builder) error {
	var options, names []string
	for _, argument := range arguments {
		if strings.HasPrefix(argument, "-") {
			options = append(options, argument)
		} else {
			names = append(names, strings.TrimSuffix(argument, ".service"))
		}
	}
	if len(names) == 0 {
		return errors.New("no command given")
	}
	command, names := names[0], names[1:]
	isNow := slices.Contains(options, "--now")
	for _, option := range options {
		isQuiet := option == "--quiet" || option == "-q"
		// systemd 219 (Amazon Linux 2) has no --now.
		if !isQuiet && !(isNow && option == "--now" && s.AmazonLinux != "2" && (command == "enable" || command == "disable")) {
			return fmt.Errorf("option %s of %s is not supported on this instance", option, command)
		}
	}

	var each func(name string) error
	switch command {
	case "daemon-reload":
		return s.reload()
	case "start":
		each = s.start
	case "stop":
		each = s.stop
	case "restart":
		each = s.restart
	case "enable":
		each = func(name string) error {
			if err := s.enable(name); err != nil || !isNow {
				return err
			}
			return s.start(name)
		}
	case "disable":
		each = func(name string) error {
			if err := s.disable(name); err != nil || !isNow {
				return err
			}
			return s.stop(name)
		}
	case "status", "is-active", "is-enabled":
		each = func(name string) error { return s.show(command, name, output) }
	default:
		return fmt.Errorf("command %s is not supported on the local AWS", command)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: too few arguments", command)
	}
	var failures []error
	for _, name := range names {
		failures = append(failures, each(name))
	}
	return errors.Join(failures...)
}

// show prints the state of a service. The exit status is that of systemctl:
// https://www.freedesktop.org/software/systemd/man/latest/systemctl.html#Exit%20status
func (s *services) show(command, name string, output *strings.Builder) error {
	isEnabled := s.isEnabled(name)
	if command == "is-enabled" {
		fmt.Fprintln(output, map[bool]string{true: "enabled", false: "disabled"}[isEnabled])
		if !isEnabled {
			return exit{status: 1}
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.byName[name]
	if v == nil && s.file(name) == "" && command == "status" {
		return exit{4, fmt.Errorf("unit %s.service could not be found", name)}
	}
	if v == nil {
		v = &service{state: "inactive"}
	}
	if command == "is-active" {
		fmt.Fprintln(output, v.state)
	} else {
		fmt.Fprintf(output, "%s.service\n   Loaded: %s (enabled: %t)\n   Active: %s\n Main PID: %d\n", name, s.file(name), isEnabled, v.state, v.pid)
	}
	if v.state != "active" {
		return exit{status: 3}
	}
	return nil
}

func (s *services) isEnabled(name string) bool {
	links, _ := filepath.Glob(s.path("etc/systemd/system/*.wants/" + name + ".service"))
	return len(links) > 0
}

// enable makes the links that [Install] demands. They have no effect, because an instance boots once.
func (s *services) enable(name string) error {
	file := s.file(name)
	if file == "" {
		return fmt.Errorf("failed to enable unit: unit file %s.service does not exist", name)
	}
	u, err := loadUnit(name, file)
	if err != nil {
		return err
	}
	if len(u.wantedBy) == 0 {
		return fmt.Errorf("%s.service has no WantedBy and cannot be enabled", name)
	}
	for _, target := range u.wantedBy {
		directory := s.path("etc/systemd/system/" + target + ".wants")
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
		if err := os.Symlink(file, filepath.Join(directory, name+".service")); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

func (s *services) disable(name string) error {
	links, err := filepath.Glob(s.path("etc/systemd/system/*.wants/" + name + ".service"))
	if err == nil && len(links) == 0 && s.file(name) == "" {
		return fmt.Errorf("failed to disable unit: unit file %s.service does not exist", name)
	}
	for _, link := range links {
		err = errors.Join(err, os.Remove(link))
	}
	return err
}
