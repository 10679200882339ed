package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A container has a file with its name, which docker run locks while the container exists, and which contains its process ID.

func (e engine) nameFile(name string) string {
	return e.path("run/docker/" + filepath.Base(name))
}

// reserveName reserves the name of a container until the file is closed.
func (e engine) reserveName(name string) (*os.File, error) {
	file := e.nameFile(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if !tryLock(lock) {
		lock.Close()
		return nil, fmt.Errorf("the container name %q is already in use", name)
	}
	return lock, lock.Truncate(0)
}

func tryLock(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// end sends a signal to a container, and SIGKILL if it does not exit in time, and waits until it does not exist.
func (e engine) end(name string, signal syscall.Signal) error {
	file, err := os.Open(e.nameFile(name))
	if err != nil {
		return fmt.Errorf("no such container: %s", name)
	}
	defer file.Close()
	if tryLock(file) {
		return fmt.Errorf("no such container: %s", name)
	}
	kill := time.Now().Add(e.grace())
	for isSent := false; !tryLock(file); time.Sleep(10 * time.Millisecond) {
		content, _ := os.ReadFile(file.Name())
		pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
		if err != nil {
			continue // docker run is still extracting the image
		}
		if time.Now().After(kill) {
			signal, isSent = syscall.SIGKILL, false
		}
		if !isSent {
			_ = syscall.Kill(pid, signal)
			isSent = true
		}
	}
	return nil
}
