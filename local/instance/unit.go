package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"
	"time"
)

// unit is a service unit file: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html
type unit struct {
	name           string // without ".service"
	file           string
	description    string
	wants          []string // names of services that start with it
	wantedBy       []string
	before         []unitCommand // ExecStartPre
	command        unitCommand   // ExecStart
	isNotify       bool          // the service has started when it says so (Type=notify)
	restart        string        // "no", "on-failure" or "always"
	restartDelay   time.Duration
	limitInterval  time.Duration // the service fails if it starts limitBurst times in it; 0: no limit
	output, errors string        // "null" or "journal"
	noNewPrivs     bool
}

// limitBurst is systemd's default for StartLimitBurst.
const limitBurst = 5

// unitCommand is a command line. A failure does not count if it starts with "-".
type unitCommand struct {
	arguments []string
	mayFail   bool
}

// directives are the supported lines of a unit, by "SECTION/NAME".
var directives = map[string]func(u *unit, value string) error{
	"Unit/Description": func(u *unit, value string) error { u.description = value; return nil },
	"Unit/Wants": func(u *unit, value string) error {
		u.wants = append(u.wants, strings.Fields(value)...)
		return nil
	},
	"Unit/After": func(*unit, string) error { return nil }, // the wanted services start first in any case
	"Service/Type": func(u *unit, value string) error {
		u.isNotify = value == "notify"
		return oneOf(value, "simple", "notify")
	},
	"Service/ExecStartPre": func(u *unit, value string) error {
		command, err := parseCommand(u.name, value)
		u.before = append(u.before, command)
		return err
	},
	"Service/ExecStart": func(u *unit, value string) (err error) {
		if u.command.arguments != nil {
			return errors.New("a service has one ExecStart")
		}
		u.command, err = parseCommand(u.name, value)
		return err
	},
	"Service/Restart": func(u *unit, value string) error {
		u.restart = value
		return oneOf(value, "no", "on-failure", "always")
	},
	"Service/RestartSec": func(u *unit, value string) (err error) { u.restartDelay, err = parseSpan(value); return err },
	// The name in systemd 219 (https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html#StartLimitIntervalSec=interval)
	"Service/StartLimitInterval": func(u *unit, value string) (err error) { u.limitInterval, err = parseSpan(value); return err },
	"Service/StandardOutput": func(u *unit, value string) error {
		u.output = value
		return oneOf(value, "null", "journal")
	},
	"Service/StandardError": func(u *unit, value string) error {
		u.errors = value
		return oneOf(value, "null", "journal", "inherit")
	},
	// It has no effect: the files of the instance belong to the user who started the emulator.
	"Service/User": func(_ *unit, value string) error { _, err := user.Lookup(value); return err },
	"Service/NoNewPrivileges": func(u *unit, value string) error {
		u.noNewPrivs = value == "yes" || value == "true"
		return oneOf(value, "yes", "no", "true", "false")
	},
	"Install/WantedBy": func(u *unit, value string) error {
		u.wantedBy = append(u.wantedBy, strings.Fields(value)...)
		return nil
	},
}

func oneOf(value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%q is not supported on the local AWS; allowed: %s", value, strings.Join(allowed, ", "))
}

// loadUnit reads a unit file. systemd ignores directives that it does not have. Here they are errors, because they have no effect.
func loadUnit(name, file string) (*unit, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	u := &unit{
		name: name, file: file, description: name + ".service", restart: "no", output: "journal", errors: "inherit",
		restartDelay: 100 * time.Millisecond, limitInterval: 10 * time.Second, // systemd's defaults
	}
	section, joined := "", ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		// A comment between continued lines is not the end of them.
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if before, ok := strings.CutSuffix(line, `\`); ok {
			joined += before + " "
			continue
		}
		line, joined = joined+line, ""
		if line == "" {
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
	if u.errors == "inherit" {
		u.errors = u.output
	}
	return u, nil
}

// parseSpan parses a time span, such as "5", "500ms" or "1min 30s":
// https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html
func parseSpan(value string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		value = fmt.Sprintf("%gs", seconds)
	}
	span, err := time.ParseDuration(strings.NewReplacer(" ", "", "min", "m", "sec", "s").Replace(value))
	if err != nil || span < 0 {
		return 0, fmt.Errorf("%q is not a time span", value)
	}
	return span, nil
}

// parseCommand parses a command line:
// https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines
func parseCommand(unitName, line string) (c unitCommand, err error) {
	line, c.mayFail = strings.CutPrefix(line, "-")
	words, err := splitWords(line)
	if err != nil {
		return c, err
	}
	for _, word := range words {
		if word == ";" {
			return c, errors.New("a second command after ; is not supported on the local AWS")
		}
		if word, err = expandSpecifiers(unitName, word); err != nil {
			return c, err
		}
		c.arguments = append(c.arguments, expandVariables(word)...)
	}
	if len(c.arguments) == 0 || !path.IsAbs(c.arguments[0]) {
		return c, fmt.Errorf("%q does not start with the absolute path of a program", line)
	}
	return c, nil
}

// splitWords splits at whitespace, and removes quotes and C-style escapes:
// https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html#Quoting
func splitWords(line string) (words []string, err error) {
	var word strings.Builder
	var quote byte
	inWord := false
	for line != "" {
		c := line[0]
		switch {
		case quote == 0 && strings.IndexByte(" \t\n\r", c) >= 0:
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
			line = line[1:]
			continue
		case quote == c:
			quote, line = 0, line[1:]
		case quote == 0 && (c == '"' || c == '\''):
			quote, line = c, line[1:]
		case c == '\\' && len(line) > 1 && strings.IndexByte(`s"';`, line[1]) >= 0:
			word.WriteByte(strings.NewReplacer("s", " ").Replace(line[1:2])[0])
			line = line[2:]
		case c == '\\':
			value, isMultibyte, rest, err := strconv.UnquoteChar(line, 0)
			if err != nil {
				return nil, fmt.Errorf("%q starts with an unknown escape", line)
			}
			if isMultibyte {
				word.WriteRune(value)
			} else {
				word.WriteByte(byte(value))
			}
			line = rest
		default:
			word.WriteByte(c)
			line = line[1:]
		}
		inWord = true
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// expandSpecifiers replaces %% and the specifiers of the unit's name:
// https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html#Specifiers
func expandSpecifiers(unitName, word string) (string, error) {
	var expanded strings.Builder
	for {
		before, after, found := strings.Cut(word, "%")
		expanded.WriteString(before)
		if !found {
			return expanded.String(), nil
		}
		specifier := after[:min(1, len(after))]
		value, ok := map[string]string{"%": "%", "n": unitName + ".service", "N": unitName, "p": unitName}[specifier]
		if !ok {
			return "", fmt.Errorf("%%%s in %q is not supported on the local AWS; write %%%% for %%", specifier, word)
		}
		expanded.WriteString(value)
		word = after[1:]
	}
}

// expandVariables replaces environment variables: ${NAME} anywhere, and $NAME as a word of its own, which becomes the words of its
// value. $$ is $.
func expandVariables(word string) []string {
	if name, ok := strings.CutPrefix(word, "$"); ok && name != "" && name[0] != '{' && name[0] != '$' {
		return strings.Fields(os.Getenv(name))
	}
	var expanded strings.Builder
	for {
		before, after, found := strings.Cut(word, "$")
		expanded.WriteString(before)
		if !found {
			return []string{expanded.String()}
		}
		word = after
		if name, rest, ok := strings.Cut(after, "}"); ok && strings.HasPrefix(name, "{") {
			expanded.WriteString(os.Getenv(name[1:]))
			word = rest
			continue
		}
		word = strings.TrimPrefix(after, "$")
		expanded.WriteString("$")
	}
}
