package harness

import (
	"os"
	"strconv"
	"syscall"
)

// LowerPriority lets other processes run before this one and those that it starts. test/system and test/instances do not call it, because
// their instances have to answer in time.
//
// Linux has a priority for each thread, and a new thread gets that of the one which starts it
// (https://man7.org/linux/man-pages/man2/setpriority.2.html). It does not compare those of different sessions.
func LowerPriority() {
	const nice = 19 // the lowest
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, nice) // an error only means that the thread has ended
		}
	}
}
