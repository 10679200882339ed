// Command instance is what an EC2 instance of the local AWS runs. The emulator starts "instance init CONFIG" for each
// instance. It executes the user data in a root directory of its own, and supervises the services that the user data
// starts. The stand-ins on the PATH of the user data are links to the same program: systemctl, yum, dnf,
// amazon-linux-extras, sleep, docker, dockerd and the CloudWatch agent. There is no virtual machine: the processes are processes of this machine, with
// the rights of the user who started the emulator.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// programs are the names under which the program runs, with the function of each.
var programs = map[string]func(arguments []string) error{
	"init":                powerOn,
	"systemctl":           systemctl,
	"yum":                 install,
	"dnf":                 install,
	"amazon-linux-extras": install,
	"sleep":               sleep,
	"docker":              docker,
	"dockerd":             dockerd,

	"amazon-cloudwatch-agent":     runAgent,
	"amazon-cloudwatch-agent-ctl": controlAgent,
}

// exit is an error with an exit status. It has no message if err is nil.
type exit struct {
	status int
	err    error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func main() {
	name, arguments := filepath.Base(os.Args[0]), os.Args[1:]
	if programs[name] == nil && len(arguments) > 0 {
		name, arguments = arguments[0], arguments[1:]
	}
	program := programs[name]
	if program == nil {
		program = func([]string) error { return errors.New("usage: instance init CONFIG") }
	}
	err := program(arguments)
	if err == nil {
		return
	}
	status := exit{status: 1}
	errors.As(err, &status)
	if message := err.Error(); message != "" {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, message)
	}
	os.Exit(cmp.Or(status.status, 1))
}
