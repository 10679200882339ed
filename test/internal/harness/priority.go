package harness

import (
	"os"
	"strconv"
	"syscall"
)

// Nice values of packages of tests. The lower ones run first. test/system has 0, because it measures how fast instances answer. test/apply
// takes longest, and mostly waits.
const (
	NiceOfApplies = 5
	NiceOfOthers  = 19
)

// LowerPriority gives this process, and those that it starts, a nice value. Linux has a priority for each thread, and a new thread gets that
// of the one which starts it (https://man7.org/linux/man-pages/man2/setpriority.2.html).
func LowerPriority(nice int) {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, nice) // an error only means that the thread has ended
		}
	}
}
