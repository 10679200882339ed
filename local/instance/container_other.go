//go:build !linux

package main

import "syscall"

// containerAttributes returns nil: a program of macOS does not run in another root directory, because it needs libraries of the system.
func containerAttributes(string, account) *syscall.SysProcAttr { return nil }

// unconfinedAttributes leaves the container in the process group of docker run, because it would survive the end of docker run in a
// group of its own.
func unconfinedAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func forbidPrivileges() error { return nil }
