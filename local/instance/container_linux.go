package main

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// mountPoints are the devices that a container has.
var mountPoints = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// containerAttributes returns the attributes of a container's process: user, mount, process ID, host name and IPC namespaces of its
// own. Its process ID is 1 there, and when it exits, the kernel kills the others. Without privileges, only one user can be mapped, so
// the process is on this machine the user who started the emulator. On a machine that does not allow it, isNamespaced is false.
func containerAttributes(a account, isNamespaced bool) *syscall.SysProcAttr {
	attributes := ownGroup()
	if !isNamespaced {
		return attributes
	}
	attributes.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
	if os.Geteuid() == 0 {
		every := []syscall.SysProcIDMap{{Size: 1<<32 - 1}}
		attributes.UidMappings, attributes.GidMappings, attributes.GidMappingsEnableSetgroups = every, every, true
		return attributes
	}
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: a.uid, HostID: os.Geteuid(), Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: a.gid, HostID: os.Getegid(), Size: 1}}
	attributes.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT} // for a user other than root, until confine
	return attributes
}

// confine makes a directory the root directory of this process. It returns false if this machine does not allow it.
func confine(root, hostname string, isNamespaced bool) bool {
	defer func() { _ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) }()
	if isNamespaced && pivot(root) == nil {
		_ = syscall.Sethostname([]byte(hostname))
		return true
	}
	return syscall.Chroot(root) == nil && os.Chdir("/") == nil
}

// pivot changes the root directory of this process's mount namespace, and mounts devices and /proc. Some machines do not allow /proc.
func pivot(root string) error {
	old := filepath.Join(root, ".old")
	for _, step := range []func() error{
		func() error { return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") },
		func() error { return syscall.Mount(root, root, "", syscall.MS_BIND|syscall.MS_REC, "") },
		func() error { return os.Mkdir(old, 0o700) },
		func() error { return syscall.PivotRoot(root, old) },
		func() error { return os.Chdir("/") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, device := range mountPoints {
		_ = syscall.Mount("/.old"+device, device, "", syscall.MS_BIND, "")
	}
	_ = syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	for link, target := range map[string]string{"/dev/fd": "/proc/self/fd", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"} {
		_ = os.Symlink(target, link)
	}
	if err := syscall.Unmount("/.old", syscall.MNT_DETACH); err != nil {
		return err
	}
	return os.Remove("/.old")
}

// forbidPrivileges makes setuid programs ineffective for the program that this thread executes next.
func forbidPrivileges() error {
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// dieWithParent makes the kernel kill this process if its parent exits. A change of the user has reset it.
func dieWithParent() {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0)
}
