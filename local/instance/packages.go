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

// install is the stand-in for yum, dnf and amazon-linux-extras. It installs Docker.
func install(arguments []string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	if !slices.Equal(arguments, []string{"install", "-y", "docker"}) {
		return fmt.Errorf("%s: only install -y docker is supported on the local AWS", strings.Join(arguments, " "))
	}
	for _, name := range []string{"docker", "dockerd"} {
		if err := addProgram(c, name); err != nil {
			return err
		}
	}
	unit := fmt.Sprintf(dockerUnit, c.path("usr/bin/dockerd"))
	if err := os.WriteFile(c.path("usr/lib/systemd/system/docker.service"), []byte(unit), 0o644); err != nil {
		return err
	}
	fmt.Println("Installed: docker")
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
