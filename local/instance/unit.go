package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unit is a service unit file: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html
type unit struct {
	name           string // without ".service"
	wants          []string
	isInstallable  bool          // it has WantedBy
	before         []unitCommand // ExecStartPre
	command        unitCommand   // ExecStart
	restart        string        // "no", "on-failure" or "always"
	restartDelay   time.Duration
	output, errors string // "null" or "journal"
}

// unitCommand is a command line. Its failure does not matter if the line starts with "-".
type unitCommand struct {
	arguments []string
	mayFail   bool
}

// directives are the supported lines of a unit, by "SECTION/NAME".
var directives = map[string]func(u *unit, value string) error{
	"Unit/Description":  ignore,
	"Unit/After":        ignore, // a service that the unit wants starts before it
	"Unit/Wants":        func(u *unit, value string) error { u.wants = strings.Fields(value); return nil },
	"Install/WantedBy":  func(u *unit, value string) error { u.isInstallable = value != ""; return nil },
	"Service/ExecStart": func(u *unit, value string) (err error) { u.command, err = parseCommand(value); return err },
	"Service/ExecStartPre": func(u *unit, value string) error {
		command, err := parseCommand(value)
		u.before = append(u.before, command)
		return err
	},
	"Service/Restart":        func(u *unit, value string) error { return oneOf(&u.restart, value, "no", "on-failure", "always") },
	"Service/RestartSec":     func(u *unit, value string) (err error) { u.restartDelay, err = parseSpan(value); return err },
	"Service/StandardOutput": func(u *unit, value string) error { return oneOf(&u.output, value, "null", "journal") },
	"Service/StandardError":  func(u *unit, value string) error { return oneOf(&u.errors, value, "null", "journal") },
	// A service restarts without a limit.
	"Service/StartLimitInterval": ignore,
	// A service is a process of the user who started the emulator.
	"Service/User":            ignore,
	"Service/NoNewPrivileges": ignore,
}

func ignore(*unit, string) error { return nil }

func oneOf(field *string, value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%q is not supported on the local AWS; allowed: %s", value, strings.Join(allowed, ", "))
	}
	*field = value
	return nil
}

// loadUnit reads a unit file. systemd ignores unknown directives. Here they are errors, because they would have no effect.
func loadUnit(name, file string) (*unit, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	u := &unit{name: name, restart: "no", output: "journal", restartDelay: 100 * time.Millisecond} // systemd's defaults
	section := ""
	for line := range strings.Lines(strings.ReplaceAll(string(content), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = line[1 : len(line)-1]
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		set := directives[section+"/"+key]
		if set == nil {
			return nil, fmt.Errorf("%s.service: [%s] %s is not supported on the local AWS", name, section, key)
		}
		if err := set(u, value); err != nil {
			return nil, fmt.Errorf("%s.service: %s: %w", name, key, err)
		}
	}
	if u.command.arguments == nil {
		return nil, fmt.Errorf("%s.service has no ExecStart", name)
	}
	if u.errors == "" { // the default is inherit
		u.errors = u.output
	}
	return u, nil
}

// parseSpan parses a time span: a number of seconds, or a number with a unit, such as "500ms":
// https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html
func parseSpan(value string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(value, 64); err == nil {
		value += "s"
	}
	span, err := time.ParseDuration(strings.Replace(value, "min", "m", 1))
	if err != nil || span < 0 {
		return 0, fmt.Errorf("%q is not a time span", value)
	}
	return span, nil
}

// parseCommand parses a command line. It refuses characters with a special meaning:
// https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines
func parseCommand(line string) (c unitCommand, err error) {
	if strings.ContainsAny(line, "\"'\\%$;") {
		return c, errors.New("quotes, \\, %, $ and ; are not supported on the local AWS")
	}
	line, c.mayFail = strings.CutPrefix(line, "-")
	c.arguments = strings.Fields(line)
	if len(c.arguments) == 0 || !path.IsAbs(c.arguments[0]) {
		return c, fmt.Errorf("%q does not start with the absolute path of a program", line)
	}
	return c, nil
}
