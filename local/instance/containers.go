package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A container has a file with its name, which docker run locks while the container exists, and which contains its process ID.

func (e engine) lockFile(name string) string {
	return e.path("run/docker/" + name)
}

// lock reserves the name of a container.
func (c *container) lock() (*os.File, error) {
	file := c.lockFile(c.name)
	if filepath.Base(file) != c.name {
		return nil, fmt.Errorf("%q is not a name for a container", c.name)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if !tryLock(lock) {
		lock.Close()
		return nil, fmt.Errorf("the container name %q is already in use", c.name)
	}
	return lock, lock.Truncate(0)
}

func tryLock(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// containers returns the names of the running containers.
func (e engine) containers() []string {
	files, _ := filepath.Glob(e.lockFile("*"))
	var names []string
	for _, name := range files {
		if file, err := os.Open(name); err == nil {
			if !tryLock(file) {
				names = append(names, filepath.Base(name))
			}
			file.Close()
		}
	}
	return names
}

// end ends a container with a signal, or with SIGKILL if it does not exit in time, and waits until it does not exist.
func (e engine) end(name string, signal syscall.Signal) error {
	file, err := os.Open(e.lockFile(name))
	if err != nil {
		return fmt.Errorf("no such container: %s", name)
	}
	defer file.Close()
	for kill := time.Now().Add(e.grace()); !tryLock(file); time.Sleep(10 * time.Millisecond) {
		content := make([]byte, 20)
		n, err := file.ReadAt(content, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		pid, err := strconv.Atoi(string(content[:n]))
		if err != nil {
			continue // it is being created
		}
		if time.Now().After(kill) {
			signal = syscall.SIGKILL
		}
		if signal != 0 {
			_ = syscall.Kill(pid, signal)
			signal = 0
		}
	}
	return nil
}

// account is the user of a container.
type account struct {
	uid, gid int
	home     string
}

// account returns the user USER or USER:GROUP of an image, by name or by ID. Without a user, it is root.
func (r rootDirectory) account(user string) (a account, err error) {
	user, group, _ := strings.Cut(user, ":")
	if user == "" {
		user = "0"
	}
	a.home = "/"
	a.uid, err = strconv.Atoi(user)
	found := r.lookUp("etc/passwd", user, 7)
	if found != nil {
		a.uid, _ = strconv.Atoi(found[2])
		a.gid, _ = strconv.Atoi(found[3])
		a.home, err = found[5], nil
	}
	if err != nil {
		return a, fmt.Errorf("unable to find user %s: no matching entries in passwd file", user)
	}
	if group == "" {
		return a, nil
	}
	a.gid, err = strconv.Atoi(group)
	if found := r.lookUp("etc/group", group, 4); found != nil {
		a.gid, err = strconv.Atoi(found[2])
	}
	if err != nil {
		return a, fmt.Errorf("unable to find group %s: no matching entries in group file", group)
	}
	return a, nil
}

// lookUp returns the fields of the line in etc/passwd or etc/group with a name or an ID, or nil.
func (r rootDirectory) lookUp(file, key string, fields int) []string {
	content, _ := r.ReadFile(file)
	for line := range strings.Lines(string(content)) {
		entry := strings.Split(strings.TrimSpace(line), ":")
		if len(entry) == fields && (entry[0] == key || entry[2] == key) {
			return entry
		}
	}
	return nil
}
