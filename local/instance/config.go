package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// config describes an instance. The emulator writes it as JSON.
type config struct {
	InstanceID  string      `json:"instanceId"`
	Root        string      `json:"root"`        // absolute path of the root directory, which init creates and removes
	AmazonLinux string      `json:"amazonLinux"` // "2" or "2023"
	UserData    string      `json:"userData"`
	Address     string      `json:"address"` // in 127.0.0.0/8
	Publish     map[int]int `json:"publish"` // port of a service -> its port on Address
	Region      string      `json:"region"`
	Endpoint    string      `json:"endpoint"`   // URL of the AWS API
	Metadata    string      `json:"metadata"`   // URL of the instance metadata service
	TimeFactor  float64     `json:"timeFactor"` // waiting times are divided by it
	Path        string      `json:"path"`       // directories of programs, separated by colons

	file string // absolute path of the JSON file
}

// configVariable is the environment variable with the path of the JSON file, for the stand-ins.
const configVariable = "INSTANCE_CONFIG"

// minimumGrace is the time that a process gets for its exit, even if the time factor is large.
const minimumGrace = 2 * time.Second

func loadConfig(file string) (*config, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &config{}
	if err := json.Unmarshal(content, c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	switch {
	case !filepath.IsAbs(c.Root):
		err = fmt.Errorf("root is %q, want an absolute path", c.Root)
	case osReleases[c.AmazonLinux] == "":
		err = fmt.Errorf("amazonLinux is %q, want 2 or 2023", c.AmazonLinux)
	case !(c.TimeFactor > 0):
		err = fmt.Errorf("timeFactor is %v, want more than 0", c.TimeFactor)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c.file, err = filepath.Abs(file)
	return c, err
}

// ownConfig returns the configuration of the instance on which a stand-in runs.
func ownConfig() (*config, error) {
	file := os.Getenv(configVariable)
	if file == "" {
		return nil, errors.New("this program runs only on an instance of the local AWS: " + configVariable + " is not set")
	}
	return loadConfig(file)
}

// ownProgram returns the path of this program, not of a link to it: a stand-in is a link in the root directory.
func ownProgram() (string, error) {
	file, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(file)
}

// path returns a path in the root directory.
func (c *config) path(name string) string {
	return filepath.Join(c.Root, filepath.FromSlash(name))
}

// scale returns how long the local AWS waits instead of d.
func (c *config) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) / c.TimeFactor)
}

// grace returns how long a process may take to exit after SIGTERM. docker stop waits 10 s
// (https://docs.docker.com/reference/cli/docker/container/stop/).
func (c *config) grace() time.Duration {
	return max(c.scale(10*time.Second), minimumGrace)
}

// publishedPort returns the port of Address on which a port of a service is reachable.
func (c *config) publishedPort(port int) int {
	if published, ok := c.Publish[port]; ok {
		return published
	}
	return port
}
