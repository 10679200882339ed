package harness

import (
	"os"
	"strconv"
	"syscall"
)

// LowerPriority gives this process, and those that it starts, the lowest scheduling priority. test/system measures at the same time
// how fast instances answer. Linux has a priority for each thread, and a new thread gets that of the one which starts it
// (https://man7.org/linux/man-pages/man2/setpriority.2.html).
func LowerPriority() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, 19) // an error only means that the thread has ended
		}
	}
}
