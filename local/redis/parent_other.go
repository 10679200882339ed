//go:build !linux

package main

import "os/exec"

// runWithParent runs a command. It outlives this process if this one is killed.
func runWithParent(command *exec.Cmd) error { return command.Run() }
