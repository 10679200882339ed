//go:build !linux

package main

import "syscall"

// adoptOrphans does nothing: only Linux can make a process the parent of orphans. processes.killAll reaches those that have not
// left their process group.
func adoptOrphans() {}

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killDescendants() {}
