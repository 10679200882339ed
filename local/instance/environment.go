package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// setEnvironment sets the environment, as Docker does: https://docs.docker.com/reference/cli/docker/container/run/#env
// PORT is the port of choosePort.
func (c *container) setEnvironment() error {
	variables := slices.Concat([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=" + c.id[:12], "HOME=" + c.account.home,
	}, c.settings.Env)
	for _, file := range c.envFiles {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(content)) {
			if line = strings.TrimRight(line, "\r\n"); line != "" && line[0] != '#' {
				variables = append(variables, line)
			}
		}
	}
	if c.port != 0 {
		// A program that supports HOST is then not reachable from other machines.
		variables = append(variables, fmt.Sprintf("PORT=%d", c.port), "HOST=127.0.0.1")
	}
	for _, variable := range variables {
		name, _, hasValue := strings.Cut(variable, "=")
		if name == "" || strings.ContainsAny(name, " \t") || !hasValue {
			return fmt.Errorf("%q is not the name of an environment variable with a value", name)
		}
		c.environment = slices.DeleteFunc(c.environment, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		c.environment = append(c.environment, variable)
	}
	return nil
}

var portVariable = regexp.MustCompile(`(?m)^PORT=.*$`)

// addVolumes copies the files of --volume, because only root can mount. Some libraries read .env, and there the value of PORT must be
// the port of choosePort, too.
func (c *container) addVolumes() error {
	for _, volume := range c.volumes {
		fields := strings.Split(volume, ":")
		if len(fields) != 3 || fields[2] != "ro" || !path.IsAbs(fields[1]) {
			return fmt.Errorf("--volume %s: only FILE:PATH:ro is supported on the local AWS", volume)
		}
		content, err := os.ReadFile(fields[0])
		if err != nil {
			return fmt.Errorf("--volume %s: %w", volume, err)
		}
		if c.port != 0 && path.Base(fields[1]) == ".env" {
			content = portVariable.ReplaceAll(content, fmt.Appendf(nil, "PORT=%d", c.port))
		}
		if err := c.root.put(fields[1], content, 0o444); err != nil {
			return err
		}
	}
	return nil
}

// lookPath finds a program in the directories of the container's PATH.
func (c *container) lookPath(name string) (string, error) {
	for _, variable := range c.environment {
		directories, _ := strings.CutPrefix(variable, "PATH=")
		if directories == variable {
			continue
		}
		for _, directory := range filepath.SplitList(directories) {
			file := path.Join("/", directory, name)
			info, err := c.root.Stat("." + file)
			if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return file, nil
			}
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in $PATH", name)
}
