package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// services runs the services of an instance, as systemd does.
type services struct {
	*instance
	mu     sync.Mutex
	byName map[string]*service
}

// service is a service that has been started once.
type service struct {
	unit    *unit
	state   string        // "active", "activating", "deactivating", "inactive" or "failed"
	pid     int           // of ExecStart; 0 if it does not run
	stop    chan struct{} // closed to stop the service
	stopped chan struct{} // closed after supervise has returned
}

func newServices(i *instance) (*services, error) {
	s := &services{instance: i, byName: map[string]*service{}}
	return s, s.listen()
}

// file returns the unit file of a service, or an empty string. A file in /etc overrides a package's.
func (s *services) file(name string) string {
	for _, directory := range []string{"etc/systemd/system", "usr/lib/systemd/system"} {
		file := s.path(directory + "/" + name + ".service")
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// start starts a service and those that it wants, and returns after its process has started. It does nothing if the service is
// running.
func (s *services) start(name string) error {
	file := s.file(name)
	if file == "" {
		return exit{5, fmt.Errorf("failed to start %s.service: unit %[1]s.service not found", name)}
	}
	u, err := loadUnit(name, file)
	if err != nil {
		return err
	}
	return s.startUnit(u)
}

func (s *services) startUnit(u *unit) error {
	s.mu.Lock()
	v := s.byName[u.name]
	if v != nil && v.isRunning() {
		s.mu.Unlock()
		return nil
	}
	v = &service{unit: u, state: "activating", stop: make(chan struct{}), stopped: make(chan struct{})}
	s.byName[u.name] = v
	s.mu.Unlock()

	started := make(chan error, 1)
	go s.supervise(v, started)
	if err := <-started; err != nil {
		return fmt.Errorf("failed to start %s.service: %w", u.name, err)
	}
	return nil
}

// restart stops and starts a service. Changes of its unit file have no effect before a reload.
func (s *services) restart(name string) error {
	u, isRunning := s.current(name)
	if !isRunning {
		return s.start(name)
	}
	if err := s.stop(name); err != nil {
		return err
	}
	return s.startUnit(u)
}

// current returns the unit with which a service runs.
func (s *services) current(name string) (u *unit, isRunning bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.byName[name]; v != nil && v.isRunning() {
		return v.unit, true
	}
	return nil, false
}

func (v *service) isRunning() bool {
	select {
	case <-v.stopped:
		return false
	default:
		return true
	}
}

// stop stops a service and waits until its processes have exited.
func (s *services) stop(name string) error {
	s.mu.Lock()
	v := s.byName[name]
	if v != nil && v.isRunning() && v.state != "deactivating" {
		v.state = "deactivating"
		close(v.stop)
	}
	s.mu.Unlock()
	if v != nil {
		<-v.stopped
	} else if s.file(name) == "" {
		return exit{5, fmt.Errorf("failed to stop %s.service: unit %[1]s.service not loaded", name)}
	}
	return nil
}

// stopAll stops every service, all at the same time.
func (s *services) stopAll() {
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.byName))
	s.mu.Unlock()
	var group sync.WaitGroup
	for _, name := range names {
		group.Go(func() { _ = s.stop(name) })
	}
	group.Wait()
}

// reload reads the unit files of running services again, for their next start. A service whose file is gone keeps its unit.
func (s *services) reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failures []error
	for name, v := range s.byName {
		if file := s.file(name); file != "" {
			u, err := loadUnit(name, file)
			if failures = append(failures, err); err == nil {
				v.unit = u
			}
		}
	}
	return errors.Join(failures...)
}

// supervise runs a service, and restarts it as its unit demands. The result of the first start is sent to started.
func (s *services) supervise(v *service, started chan<- error) {
	defer close(v.stopped)
	var starts []time.Time
	for {
		s.mu.Lock()
		u := v.unit
		s.mu.Unlock()
		starts = append(starts[max(0, len(starts)-limitBurst+1):], time.Now())
		for _, wanted := range u.wants {
			if err := s.start(strings.TrimSuffix(wanted, ".service")); err != nil {
				logf("systemd", "%s.service: %v", u.name, err)
			}
		}
		err := s.run(v, u, started)
		select {
		case <-v.stop:
			s.set(v, "inactive", 0)
			return
		default:
		}
		state := "inactive"
		if err != nil {
			logf("systemd", "%s.service: %v", u.name, err)
			state = "failed"
		}
		if u.restart == "no" || u.restart == "on-failure" && err == nil {
			s.set(v, state, 0)
			return
		}
		s.set(v, "activating", 0)
		select {
		case <-v.stop:
			s.set(v, "inactive", 0)
			return
		case <-time.After(s.scale(u.restartDelay)):
		}
		if len(starts) == limitBurst && time.Since(starts[0]) < s.scale(u.limitInterval) {
			logf("systemd", "%s.service: start request repeated too quickly", u.name)
			s.set(v, "failed", 0)
			return
		}
	}
}

func (s *services) set(v *service, state string, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.state != "deactivating" || state != "active" && state != "activating" {
		v.state, v.pid = state, pid
	}
}

// run runs the commands of a unit until the last exits, or until v.stop. It returns an error if the service has failed.
func (s *services) run(v *service, u *unit, started chan<- error) error {
	report := func(err error) error {
		select {
		case started <- err: // the first start
		default:
		}
		return err
	}
	for _, command := range u.before {
		pid, exited, err := s.execute(u, command, "")
		if err == nil {
			err = s.wait(v, pid, exited)
		}
		if err != nil && !command.mayFail {
			return report(fmt.Errorf("ExecStartPre: %w", err))
		}
	}
	select {
	case <-v.stop:
		return report(errors.New("canceled"))
	default:
	}
	ready, notifySocket, err := s.readiness(u)
	if err != nil {
		return report(err)
	}
	pid, exited, err := s.execute(u, u.command, notifySocket)
	if err != nil {
		return report(err)
	}
	s.set(v, "activating", pid)
	select {
	case <-ready:
		s.set(v, "active", pid)
		_ = report(nil)
		return s.wait(v, pid, exited)
	case status := <-exited:
		return report(fmt.Errorf("exited with status %d before it was ready", exitStatus(status)))
	case <-v.stop:
		_ = report(errors.New("canceled"))
		return s.wait(v, pid, exited)
	}
}

// wait waits until a command exits, and stops it after v.stop. It returns an error if the command has failed.
func (s *services) wait(v *service, pid int, exited <-chan syscall.WaitStatus) error {
	var status syscall.WaitStatus
	select {
	case status = <-exited:
		s.processes.kill(pid) // KillMode=control-group: the processes that it has left
	case <-v.stop:
		status = s.processes.stop(pid, exited, s.grace())
	}
	switch {
	case status.ExitStatus() == 0:
		return nil
	// https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#SuccessExitStatus=
	case status.Signaled() && slices.Contains([]syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE}, status.Signal()):
		return nil
	default:
		return fmt.Errorf("main process exited, status=%d", exitStatus(status))
	}
}

// readiness returns a channel that is closed when the service is ready, and the path of the socket on which it says so:
// https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
func (s *services) readiness(u *unit) (ready chan struct{}, socket string, err error) {
	ready = make(chan struct{})
	if !u.isNotify {
		close(ready)
		return ready, "", nil
	}
	socket = filepath.Join(s.runtime, u.name)
	_ = os.Remove(socket)
	connection, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, "", err
	}
	go func() {
		defer connection.Close()
		message := make([]byte, 4096)
		for {
			n, err := connection.Read(message)
			if err != nil || slices.Contains(strings.Split(string(message[:n]), "\n"), "READY=1") {
				close(ready)
				return
			}
		}
	}()
	return ready, socket, nil
}

// execute starts a command of a unit.
func (s *services) execute(u *unit, c unitCommand, notifySocket string) (int, <-chan syscall.WaitStatus, error) {
	arguments := s.localize(c.arguments)
	if _, err := exec.LookPath(arguments[0]); err != nil {
		return 0, nil, err
	}
	command := exec.Command(arguments[0], arguments[1:]...)
	if u.noNewPrivs {
		program, err := ownProgram()
		if err != nil {
			return 0, nil, err
		}
		command = exec.Command(program, arguments...)
		command.Args = append([]string{"instance", "service"}, arguments...)
	}
	command.Dir, command.SysProcAttr = s.Root, ownGroup()
	command.Env = os.Environ()
	if notifySocket != "" {
		command.Env = append(command.Env, "NOTIFY_SOCKET="+notifySocket)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer writer.Close()
	go writeJournal(u.name, reader)
	if u.output == "journal" {
		command.Stdout = writer
	}
	if u.errors == "journal" {
		command.Stderr = writer
	}
	return s.processes.start(command)
}

// localize replaces 0.0.0.0 in a command line by the instance's address, and then a port by its published port: the instances share the
// network interfaces of this machine, and other machines must not reach them.
func (s *services) localize(arguments []string) []string {
	if !slices.Contains(arguments, "0.0.0.0") {
		return arguments
	}
	arguments = slices.Clone(arguments)
	for i, argument := range arguments {
		if argument == "0.0.0.0" {
			arguments[i] = s.Address
		}
		for port, published := range s.Publish {
			if argument == fmt.Sprint(port) {
				arguments[i] = fmt.Sprint(published)
			}
		}
	}
	return arguments
}

// writeJournal writes the output of a service to the console. The instance has no journalctl.
func writeJournal(name string, output io.ReadCloser) {
	defer output.Close()
	reader := bufio.NewReader(output)
	for {
		line, err := reader.ReadString('\n')
		if line != "" {
			logf(name, "%s", strings.TrimSuffix(line, "\n"))
		}
		if err != nil {
			return
		}
	}
}
