package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// containerAttributes returns the attributes of a container's process. Its root directory is root. If the emulator runs as root, the
// process has the user of the image. Otherwise the user is the emulator's, which a user namespace shows to the process as the image's:
// https://man7.org/linux/man-pages/man7/user_namespaces.7.html
func containerAttributes(root string, a account) *syscall.SysProcAttr {
	attributes := ownGroup()
	attributes.Chroot = root
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
		return attributes
	}
	attributes.Cloneflags = syscall.CLONE_NEWUSER
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: a.uid, HostID: os.Geteuid(), Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: a.gid, HostID: os.Getegid(), Size: 1}}
	return attributes
}

// unconfinedAttributes returns the attributes of a container's process on a machine that does not allow containerAttributes.
func unconfinedAttributes() *syscall.SysProcAttr { return ownGroup() }

// forbidPrivileges makes setuid programs ineffective for the programs that this thread starts.
func forbidPrivileges() error {
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
