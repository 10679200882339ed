package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// documented matches a command of starttech in a page: in backquotes, or in a line of its own, up to a comment.
var documented = regexp.MustCompile("(?m)(?:^ *|`)(?:\\.local/bin/)?starttech ([a-z][^`#\\n]*)")

// Every command of starttech that a page names exists, and takes these arguments and flags.
func TestDocumentedCommandsExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md") {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range documented.FindAllStringSubmatch(string(content), -1) {
			arguments := strings.Fields(match[1])
			for i, argument := range arguments { // the end of a sentence
				arguments[i] = strings.TrimRight(argument, ".,;:)")
			}
			if err := checkArguments(arguments); err != nil {
				t.Errorf("%s: starttech %s: %v", filepath.Base(page), match[1], err)
			}
			found++
		}
	}
	if found < 15 {
		t.Errorf("found only %d commands", found)
	}
}

// checkArguments parses arguments, and does not run the command.
func checkArguments(arguments []string) error {
	command, rest, err := newRootCommand().Find(arguments)
	if err != nil {
		return err
	}
	if err := command.ParseFlags(rest); err != nil {
		return err
	}
	if err := command.ValidateArgs(command.Flags().Args()); !errors.Is(err, pflag.ErrHelp) { // a page may name a group
		return err
	}
	return nil
}

func TestUnknownCommandsAndFlagsAreFound(t *testing.T) {
	for _, arguments := range [][]string{{"rollbak"}, {"logs", "--sinse", "1h"}, {"refresh", "now"}, {"logs", "nginx"}, {"rollback", "backnd"}} {
		if checkArguments(arguments) == nil {
			t.Errorf("%q is no error", arguments)
		}
	}
}
