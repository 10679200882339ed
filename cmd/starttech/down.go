package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	// If the emulator was killed, its instances are still powering off, and write into the directory. So does the Terraform of a killed up.
	for deadline := time.Now().Add(powerOffTimeout); ; time.Sleep(100 * time.Millisecond) {
		left, err := p.localProcesses()
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return os.RemoveAll(p.localPath("aws"))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the local AWS still has processes after %s; end them and run make down again:\n%s", powerOffTimeout, strings.Join(left, "\n"))
		}
	}
}

// localProcesses returns the processes of Terraform, the instances and Redis, each with its ID and its command line.
func (p *project) localProcesses() (found []string, err error) {
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
			for pid, line := range running {
				found = append(found, fmt.Sprintf("%d %s", pid, line))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
