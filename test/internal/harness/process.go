package harness

import (
	"os/exec"
	"strconv"
	"strings"
)

// IsRunning reports whether a process exists and is not a zombie.
func IsRunning(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(string(out), "Z")
}
