package main

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// processes starts processes and waits for them. It also waits for orphans, which the system gives to this process (see
// adoptOrphans), so the program must not wait for a process in another way.
type processes struct {
	mu      sync.Mutex
	running map[int]chan syscall.WaitStatus // by process ID
	groups  map[int]bool                    // groups that may have processes
}

func newProcesses() *processes {
	p := &processes{running: map[int]chan syscall.WaitStatus{}, groups: map[int]bool{}}
	adoptOrphans()
	exits := make(chan os.Signal, 1)
	signal.Notify(exits, syscall.SIGCHLD)
	go func() {
		for range exits {
			p.reap()
		}
	}()
	return p
}

// start starts a process with attributes of ownGroup or containerAttributes. Its exit status is sent to the channel.
func (p *processes) start(command *exec.Cmd) (pid int, exited <-chan syscall.WaitStatus, err error) {
	p.mu.Lock() // reap must not take the status of a process that is not yet in running
	defer p.mu.Unlock()
	if err := command.Start(); err != nil {
		return 0, nil, err
	}
	pid = command.Process.Pid
	status := make(chan syscall.WaitStatus, 1)
	p.running[pid] = status
	if command.SysProcAttr.Setpgid {
		p.groups[pid] = true
	}
	return pid, status, command.Process.Release()
}

func (p *processes) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if exited, ok := p.running[pid]; ok {
			exited <- status
			delete(p.running, pid)
		}
		// While a group has a process, the system does not reuse its ID.
		if syscall.Kill(-pid, 0) != nil {
			delete(p.groups, pid)
		}
	}
}

// stop ends a process group: it sends SIGTERM and, if the leader has not exited in time, SIGKILL.
func (p *processes) stop(pid int, exited <-chan syscall.WaitStatus, grace time.Duration) syscall.WaitStatus {
	_ = syscall.Kill(-pid, syscall.SIGTERM)
	select {
	case status := <-exited:
		p.kill(pid) // the rest of the group
		return status
	case <-time.After(grace):
		p.kill(pid)
		return <-exited
	}
}

// kill kills a process group, unless its last process has exited.
func (p *processes) kill(group int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups[group] {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// killAll kills every process that this process started, and on Linux every process that they started.
func (p *processes) killAll() {
	p.mu.Lock()
	for pid := range p.groups {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	p.mu.Unlock()
	killDescendants()
	p.reap()
}

// exitStatus returns a shell's exit status of a process: 128 + signal if a signal killed it.
func exitStatus(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
