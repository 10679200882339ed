package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// canReadMemory is whether this system tells the memory of another process as peak reads it: Linux alone does.
const canReadMemory = runtime.GOOS == "linux"

// sampling is how often the memory is read. A peak shorter than that may be missed.
const sampling = 10 * time.Millisecond

// peak runs a contender and is the most memory, in bytes, that its processes had together at one time.
func (c *contender) peak(ctx context.Context) (int64, error) {
	process := c.process(ctx)
	if err := process.Start(); err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	ticker := time.NewTicker(sampling)
	defer ticker.Stop()

	var most int64
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, fmt.Errorf("%s: %w", c.name, err)
			}
			if most == 0 {
				return 0, fmt.Errorf("%s: /proc/PID/smaps_rollup did not tell its memory", c.name)
			}
			return most, nil
		case <-ticker.C:
			most = max(most, treeMemory(process.Process.Pid))
		}
	}
}

// treeMemory is the memory of a process and of all that it started, in bytes. A process that has ended meanwhile has none.
func treeMemory(pid int) int64 {
	sum := processMemory(pid)
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // each thread has its own
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			if id, err := strconv.Atoi(child); err == nil {
				sum += treeMemory(id)
			}
		}
	}
	return sum
}

// processMemory is a process's proportional set size, in bytes: a page that several processes share counts for each with
// its part, and so once in their sum.
func processMemory(pid int) int64 {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Pss:" {
			kibibytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kibibytes * 1024
		}
	}
	return 0
}
