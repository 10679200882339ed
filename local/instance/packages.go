package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dockerUnit is the unit that the package of Docker contains.
const dockerUnit = `[Unit]
Description=Docker Application Container Engine

[Service]
Type=notify
ExecStart=%s
Restart=always

[Install]
WantedBy=multi-user.target
`

// addProgram links a stand-in into the instance's /usr/bin.
func addProgram(c *config, name string) error {
	program, err := ownProgram()
	if err != nil {
		return err
	}
	link := c.path("usr/bin/" + name)
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(program, link)
}

// install is the stand-in for yum, dnf and amazon-linux-extras. It installs Docker.
func install(arguments []string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	arguments = slices.DeleteFunc(arguments, func(a string) bool {
		return slices.Contains([]string{"-y", "--assumeyes", "-q", "--quiet"}, a)
	})
	if len(arguments) != 2 || arguments[0] != "install" || arguments[1] != "docker" {
		return fmt.Errorf("%s: only install -y docker works on the local AWS", strings.Join(arguments, " "))
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

// sleep is the stand-in for sleep. It sleeps the sum of its arguments, which are numbers with an optional unit s, m, h or d, divided by
// the time factor.
func sleep(arguments []string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	if len(arguments) == 0 {
		return errors.New("missing operand")
	}
	var total time.Duration
	for _, argument := range arguments {
		if argument == "infinity" {
			total = math.MaxInt64
			break
		}
		units := map[byte]float64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
		number, unit := argument, units['s']
		if last := len(argument) - 1; last >= 0 && units[argument[last]] != 0 {
			number, unit = argument[:last], units[argument[last]]
		}
		seconds, err := strconv.ParseFloat(number, 64)
		if err != nil || seconds < 0 {
			return fmt.Errorf("invalid time interval %q", argument)
		}
		total += time.Duration(seconds * unit * float64(time.Second))
	}
	time.Sleep(c.scale(total))
	return nil
}
