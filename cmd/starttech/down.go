package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/local"
)

// powerOffTimeout is longer than the instances of the local AWS take to power off.
const powerOffTimeout = 10 * time.Second

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
	// If the emulator was killed, its instances are still powering off, and write into the directory.
	var err error
	for deadline := time.Now().Add(powerOffTimeout); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = os.RemoveAll(p.localPath("aws")); err == nil {
			return nil
		}
	}
	return err
}
