package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
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

// service is a service that has been started.
type service struct {
	unit    *unit
	state   string        // "active", "activating", "inactive" or "failed"
	stop    chan struct{} // closed to stop the service
	stopped chan struct{} // closed when the service does not run and does not restart any more
}

func newServices(i *instance) (*services, error) {
	s := &services{instance: i, byName: map[string]*service{}}
	return s, s.listen()
}

// start starts a service and those that it wants, and returns after its process has started. It does nothing if the service is
// running.
func (s *services) start(name string) error {
	u, err := s.load(name)
	if err != nil {
		return fmt.Errorf("failed to start %s: %w", name, err)
	}
	for _, wanted := range u.wants {
		if err := s.start(serviceName(wanted)); err != nil {
			logf("systemd", "%s.service: %v", name, err)
		}
	}

	s.mu.Lock()
	if v := s.byName[name]; v != nil && !isClosed(v.stopped) {
		s.mu.Unlock()
		return nil
	}
	v := &service{unit: u, state: "activating", stop: make(chan struct{}), stopped: make(chan struct{})}
	s.byName[name] = v
	s.mu.Unlock()

	started := make(chan error, 1)
	go s.supervise(v, started)
	if err := <-started; err != nil {
		return fmt.Errorf("failed to start %s: %w", name, err)
	}
	return nil
}

func (s *services) restart(name string) error {
	return cmp.Or(s.stop(name), s.start(name))
}

// stop stops a service and waits until its processes have exited.
func (s *services) stop(name string) error {
	s.mu.Lock()
	v := s.byName[name]
	if v != nil && !isClosed(v.stop) {
		close(v.stop)
	}
	s.mu.Unlock()
	if v != nil {
		<-v.stopped
		return nil
	}
	_, err := s.load(name)
	return err
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

func (s *services) state(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.byName[name]; v != nil {
		return v.state
	}
	return "inactive"
}

func (s *services) setState(v *service, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.state = state
}

func isClosed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}

// supervise runs a service, and restarts it as its unit describes. The result of the first start is sent to started.
func (s *services) supervise(v *service, started chan<- error) {
	defer close(v.stopped)
	u := v.unit
	for {
		err := s.run(v, func(err error) {
			select {
			case started <- err:
			default: // it is not the first start
			}
		})
		state := "inactive"
		if err != nil && !isClosed(v.stop) {
			logf("systemd", "%s.service: %v", u.name, err)
			state = "failed"
		}
		if isClosed(v.stop) || u.restart == "no" || u.restart == "on-failure" && err == nil {
			s.setState(v, state)
			return
		}
		s.setState(v, "activating")
		delay := s.scale(u.restartDelay)
		logf("systemd", "%s.service: restarts in %s, which is %s on AWS", u.name, delay, u.restartDelay)
		select {
		case <-v.stop:
		case <-time.After(delay):
		}
	}
}

// run runs the commands of a service until the last one exits, or until v.stop is closed. It returns an error if the service fails, and
// passes the result of the start to report.
func (s *services) run(v *service, report func(error)) error {
	for _, command := range v.unit.before {
		pid, exited, err := s.execute(v.unit, command)
		if err == nil {
			err = s.wait(v, pid, exited)
		}
		if err != nil && !command.mayFail {
			err = fmt.Errorf("ExecStartPre: %w", err)
			report(err)
			return err
		}
	}
	if isClosed(v.stop) {
		err := errors.New("stopped before its start")
		report(err)
		return err
	}
	pid, exited, err := s.execute(v.unit, v.unit.command)
	if err != nil {
		report(err)
		return err
	}
	s.setState(v, "active")
	report(nil)
	return s.wait(v, pid, exited)
}

// wait waits until a command exits, and stops it if v.stop is closed. It returns an error if the command fails.
func (s *services) wait(v *service, pid int, exited <-chan syscall.WaitStatus) error {
	var status syscall.WaitStatus
	select {
	case status = <-exited:
		s.processes.kill(pid) // KillMode=control-group: the rest of the processes
	case <-v.stop:
		status = s.processes.stop(pid, exited, s.grace())
	}
	// https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#SuccessExitStatus=
	clean := []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE}
	if code := exitStatus(status); code != 0 && !slices.Contains(clean, status.Signal()) {
		return fmt.Errorf("main process exited, status=%d", code)
	}
	return nil
}

// execute starts a command of a unit.
func (s *services) execute(u *unit, c unitCommand) (int, <-chan syscall.WaitStatus, error) {
	arguments := s.localize(c.arguments)
	command := exec.Command(arguments[0], arguments[1:]...)
	command.Dir, command.SysProcAttr = s.Root, ownGroup()
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

// localize replaces 0.0.0.0 in a command line with the instance's address, and then a port with its published port: the instances share
// the network interfaces of this machine, and other machines must not reach them.
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
