package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// dockerUnit is the unit that the package of Docker contains.
const dockerUnit = `[Unit]
Description=Docker Application Container Engine

[Service]
ExecStart=%s
Restart=always

[Install]
WantedBy=multi-user.target
`

// packages are the packages that can be installed: their programs, and the unit of the service that the last one is.
var packages = map[string]struct {
	programs []string
	unit     string
}{
	"docker":                  {[]string{"docker", "dockerd"}, dockerUnit},
	"amazon-cloudwatch-agent": {[]string{"amazon-cloudwatch-agent-ctl", "amazon-cloudwatch-agent"}, agentUnit},
}

// install is the stand-in for yum, dnf and amazon-linux-extras.
func install(arguments []string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	var name string
	if len(arguments) > 0 {
		name = arguments[len(arguments)-1]
	}
	p, ok := packages[name]
	if !ok || !slices.Equal(arguments, []string{"install", "-y", name}) {
		return fmt.Errorf("%s: only install -y of docker or amazon-cloudwatch-agent is supported on the local AWS", strings.Join(arguments, " "))
	}
	for _, program := range p.programs {
		if err := addProgram(c, program); err != nil {
			return err
		}
	}
	unit := fmt.Sprintf(p.unit, c.path("usr/bin/"+p.programs[len(p.programs)-1]))
	if err := os.WriteFile(c.path("usr/lib/systemd/system/"+name+".service"), []byte(unit), 0o644); err != nil {
		return err
	}
	fmt.Println("Installed: " + name)
	return nil
}

// addProgram links a stand-in into the instance's /usr/bin.
func addProgram(c *config, name string) error {
	program, err := ownProgram()
	if err != nil {
		return err
	}
	if err := os.Symlink(program, c.path("usr/bin/"+name)); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
