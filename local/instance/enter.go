package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// entry is what the process that becomes a container needs to know. It is an argument, so it contains nothing secret.
type entry struct {
	Root, Workdir, Hostname string
	UID, GID                int
	IsRoot                  bool // the emulator runs as root, so the process can change its user
	IsNamespaced            bool // the process has namespaces of its own
	NoNewPrivs              bool
}

// start starts a container, and returns after its program has been executed.
func (c *container) start(children *processes, arguments []string, stdout, stderr *os.File) (int, <-chan syscall.WaitStatus, error) {
	program, err := ownProgram()
	if err != nil {
		return 0, nil, err
	}
	for isNamespaced := runtime.GOOS == "linux"; ; isNamespaced = false {
		description, err := json.Marshal(entry{
			Root: c.root.path, Workdir: c.workdir, Hostname: c.id[:12], UID: c.account.uid, GID: c.account.gid,
			IsRoot: os.Geteuid() == 0, IsNamespaced: isNamespaced, NoNewPrivs: c.noNewPrivs,
		})
		if err != nil {
			return 0, nil, err
		}
		failure, writer, err := os.Pipe()
		if err != nil {
			return 0, nil, err
		}
		command := exec.Command(program)
		command.Args = append([]string{"instance", "container", string(description)}, arguments...)
		command.Env, command.Stdout, command.Stderr = c.environment, stdout, stderr
		command.ExtraFiles = []*os.File{writer}
		command.SysProcAttr = containerAttributes(c.account, isNamespaced)
		pid, exited, err := children.start(command)
		writer.Close()
		message, _ := io.ReadAll(failure) // ends when the program is executed
		failure.Close()
		if err != nil && isNamespaced {
			continue // this machine does not allow namespaces
		}
		if err != nil {
			return 0, nil, err
		}
		if len(message) > 0 {
			return 0, nil, exit{exitStatus(<-exited), errors.New(string(message))}
		}
		return pid, exited, nil
	}
}

// enterContainer becomes the program of a container. Its exit statuses are those of docker run.
func enterContainer(arguments []string) error {
	runtime.LockOSThread() // forbidPrivileges and dieWithParent change a thread
	var e entry
	if err := json.Unmarshal([]byte(arguments[0]), &e); err != nil {
		return err
	}
	syscall.CloseOnExec(3)
	status, err := e.execute(arguments[1:])
	fmt.Fprint(os.NewFile(3, "failure"), err)
	os.Exit(status)
	return nil
}

func (e entry) execute(arguments []string) (status int, err error) {
	root := ""
	if !confine(e.Root, e.Hostname, e.IsNamespaced) {
		root = e.Root
	}
	if e.IsRoot && root == "" {
		if err := cmp.Or(syscall.Setgroups([]int{e.GID}), syscall.Setgid(e.GID), syscall.Setuid(e.UID)); err != nil {
			return 125, err
		}
	}
	if err := os.Chdir(root + e.Workdir); err != nil {
		return 126, err
	}
	program, err := findProgram(root, arguments[0])
	if err != nil {
		return 127, err
	}
	if e.NoNewPrivs {
		if err := forbidPrivileges(); err != nil {
			return 125, err
		}
	}
	dieWithParent()
	status, err = 126, syscall.Exec(program, arguments, os.Environ())
	if errors.Is(err, os.ErrNotExist) {
		status = 127
	}
	return status, fmt.Errorf("exec: %q: %w", arguments[0], err)
}

// findProgram returns the path of a program in a root directory, as execvp finds it.
func findProgram(root, name string) (string, error) {
	if filepath.IsAbs(name) {
		name = root + name
	}
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, directory := range filepath.SplitList(os.Getenv("PATH")) {
		if file := filepath.Join(root+directory, name); isExecutable(file) {
			return file, nil
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in $PATH", name)
}

func isExecutable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// enterService becomes the program of a service that must not get new privileges.
func enterService(arguments []string) error {
	runtime.LockOSThread()
	if err := forbidPrivileges(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", arguments[0], syscall.Exec(arguments[0], arguments, os.Environ()))
}
