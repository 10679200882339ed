package main

import (
	"os/exec"
	"runtime"
	"syscall"
)

// runWithParent runs a command, which the kernel kills if this process dies.
func runWithParent(command *exec.Cmd) error {
	runtime.LockOSThread() // the parent is a thread
	defer runtime.UnlockOSThread()
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command.Run()
}
