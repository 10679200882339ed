package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// steps tells a person what is being done and how long each part took.
type steps struct {
	ctx   context.Context
	out   io.Writer
	again string // what continues after a failure: "make up"
	log   string // where Terraform's own words are; empty where it says nothing
}

// do carries out one step.
func (s steps) do(what string, step func() error) error {
	fmt.Fprintf(s.out, "%-58s", what+" ...")
	begin := time.Now()
	err := step()
	took := time.Since(begin).Seconds()
	if err != nil {
		if s.ctx.Err() != nil {
			fmt.Fprintf(s.out, " interrupted after %.1f s\n", took)
			return fmt.Errorf("interrupted; run %s again: it continues where it stopped", s.again)
		}
		fmt.Fprintf(s.out, " failed after %.1f s\n", took)
		words := ""
		if s.log != "" {
			words = "\nTerraform's own words: " + s.log
		}
		return fmt.Errorf("%s: %w%s\nPut that right and run %s again: it continues where it stopped", what, err, words, s.again)
	}
	fmt.Fprintf(s.out, "%7.1f s\n", took)
	return nil
}

// quietly runs a command and shows what it printed only where it fails.
func quietly(command *exec.Cmd) error {
	out, err := command.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return err
	} else if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, tail(string(out), 20))
	}
	return nil
}

// tail is the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
