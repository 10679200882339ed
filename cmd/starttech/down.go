package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/local"
)

// powerOffTimeout is longer than the instances of the local AWS take to power off: 4 s on a busy machine.
const powerOffTimeout = 15 * time.Second

func newDownCommand(p *project) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the local AWS and remove it",
		Long:  "Stop the local AWS and remove everything that up has created, except what it has installed.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			aws, err := local.Load(p.localPath("aws"))
			if err != nil {
				return err
			}
			if err := p.removeLocalAWS(aws); err != nil {
				return err
			}
			if aws == nil {
				fmt.Println("There is no local AWS.")
			} else {
				fmt.Println("The local AWS is removed. A shell that has evaluated make env still has its settings: open another one.")
			}
			return nil
		},
	}
}

// removeLocalAWS stops an emulator, if there is one, and removes its files.
func (p *project) removeLocalAWS(aws *local.AWS) error {
	if aws != nil {
		if err := aws.Stop(); err != nil {
			return err
		}
	}
	// If the emulator was killed, its instances are still powering off, and write into the directory. Terraform and its providers outlive
	// an up that was killed.
	for deadline := time.Now().Add(powerOffTimeout); ; time.Sleep(100 * time.Millisecond) {
		left, err := p.localProcesses()
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return os.RemoveAll(p.localPath("aws"))
		}
		for pid, line := range left {
			if strings.Contains(line, "terraform") || strings.Contains(line, "tofu") {
				_ = syscall.Kill(pid, syscall.SIGKILL) // an error only means that it has ended
			}
		}
		if time.Now().After(deadline) {
			var lines []string
			for pid, line := range left {
				lines = append(lines, fmt.Sprintf("%d %s", pid, line))
			}
			slices.Sort(lines)
			return fmt.Errorf("the local AWS still has processes after %s; end them and run make down again:\n%s", powerOffTimeout, strings.Join(lines, "\n"))
		}
	}
}

// localProcesses returns the command lines of Terraform, the instances and Redis, by process ID.
func (p *project) localProcesses() (map[int]string, error) {
	found := map[int]string{}
	for _, dir := range []string{p.localPath("aws"), p.instanceProgram("")} {
		paths := []string{dir}
		if resolved, err := filepath.EvalSymlinks(dir); err == nil && resolved != dir { // the emulator resolves symbolic links
			paths = append(paths, resolved)
		}
		for _, path := range paths {
			running, err := local.Processes(path + string(filepath.Separator))
			if err != nil {
				return nil, err
			}
			maps.Copy(found, running)
		}
	}
	return found, nil
}
