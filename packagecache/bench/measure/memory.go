package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// CanReadMemory is whether Memory works on this system: it reads /proc/PID/smaps_rollup, which only Linux has.
const CanReadMemory = runtime.GOOS == "linux"

// memoryInterval is the time between two readings of a program's memory. A shorter peak may be missed.
const memoryInterval = 10 * time.Millisecond

// Memory runs each program once per round and records its peak memory. It does so in runs of its own, because reading the
// memory slows a program down.
func Memory(ctx context.Context, rounds int, programs []*Program) error {
	for range rounds {
		for _, p := range programs {
			peak, err := p.peak(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			p.Peaks = append(p.Peaks, peak)
		}
	}
	return nil
}

// peak runs the program and returns the largest sum of the memory of its processes at one time, in bytes.
func (p *Program) peak(ctx context.Context) (int64, error) {
	command := p.command(ctx)
	if err := command.Start(); err != nil {
		return 0, err
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	ticker := time.NewTicker(memoryInterval)
	defer ticker.Stop()

	var peak int64
	for {
		select {
		case err := <-exited:
			if err == nil && peak == 0 {
				err = errors.New("cannot read its memory from /proc/PID/smaps_rollup")
			}
			return peak, err
		case <-ticker.C:
			peak = max(peak, treeMemory(command.Process.Pid))
		}
	}
}

// treeMemory returns the memory of a process and of its descendants, in bytes. A process that has exited has none.
func treeMemory(pid int) int64 {
	sum := processMemory(pid)
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // one list per thread
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

// processMemory returns the proportional set size of a process, in bytes: each process that shares a page accounts for an
// equal part of it, so that a sum over processes counts the page once.
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
