package local

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Processes returns the command lines that contain a text, by process ID. It leaves out zombies.
func Processes(text string) (map[int]string, error) {
	found := map[int]string{}
	if files, _ := filepath.Glob("/proc/[0-9]*/cmdline"); len(files) > 0 { // Linux; some container images have no ps
		for _, file := range files {
			content, _ := os.ReadFile(file) // an error means that the process has exited; a zombie has no command line
			line := string(bytes.TrimSpace(bytes.ReplaceAll(content, []byte{0}, []byte{' '})))
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && strings.Contains(line, text) {
				found[pid] = line
			}
		}
		return found, nil
	}
	out, err := exec.Command("ps", "-A", "-ww", "-o", "pid=", "-o", "stat=", "-o", "command=").Output()
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.HasPrefix(fields[1], "Z") || !strings.Contains(line, text) {
			continue
		}
		if pid, err := strconv.Atoi(fields[0]); err == nil {
			found[pid] = strings.Join(fields[2:], " ")
		}
	}
	return found, nil
}
