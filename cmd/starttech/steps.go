package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/starttech/infrastructure/internal/terraform"
)

// steps runs the steps of a command, and shows the seconds of each.
type steps struct {
	out      *os.File
	retry    string // the command that continues after a failure: "make up"; empty: no advice
	log      string // the file with Terraform's output; empty: none
	terminal bool   // out is a terminal, and not that of a pipeline
	streams  bool   // the output of each step is printed, so the step's beginning and its result are lines of their own
}

func newSteps(out *os.File, retry string) steps {
	return steps{out: out, retry: retry, terminal: term.IsTerminal(int(out.Fd())) && !inPipeline()}
}

// withOutput returns the writer for Terraform's output of a stack, and the steps that run Terraform with it. At a terminal, the
// output goes to the log, and a failed step names the log. Otherwise, the log may not be available afterwards, so the output also
// goes to standard error.
func (s steps) withOutput(log *os.File, stack string) (steps, io.Writer) {
	if s.terminal {
		s.log = ".local/log/" + stack + ".log"
		return s, log
	}
	s.streams = true
	return s, io.MultiWriter(log, os.Stderr) // the log also if nothing reads standard error any more
}

// status is what a step is waiting for, shown next to its seconds.
type status struct{ text atomic.Pointer[string] }

func (s *status) set(text string) { s.text.Store(&text) }

// describe is the text, or that there is none yet.
func (s *status) describe() string { return cmp.Or(*s.text.Load(), "it has just begun") }

// apply shows an apply's progress, out of total changes.
func (s *status) apply(total int) func(terraform.Progress) {
	return func(progress terraform.Progress) {
		text := fmt.Sprintf("%d of %d", progress.Done, total)
		if len(progress.Running) > 0 {
			text += ", waiting for " + progress.Running[0]
		}
		s.set(text)
	}
}

// do runs one step. On a terminal, its seconds run. Otherwise there is a line when it ends, and one a minute. The error begins with
// the title, unless it is Terraform's, which names the command and the stack itself.
func (s steps) do(ctx context.Context, title string, step func(*status) error) error {
	var current status
	current.set("")
	if s.streams {
		fmt.Fprintln(s.out, title+" ...")
	} else {
		fmt.Fprint(s.out, s.line(title, ""))
	}
	begin := time.Now()

	done := make(chan struct{})
	ticked := make(chan bool)
	go func() { ticked <- s.tick(title, begin, &current, done) }()
	err := step(&current)
	close(done)
	interrupted := err != nil && ctx.Err() != nil
	result := "%7.1f s"
	switch {
	case interrupted:
		result = " interrupted after %.1f s"
	case err != nil:
		result = " failed after %.1f s"
	}
	result = fmt.Sprintf(result, time.Since(begin).Seconds())
	if <-ticked || s.terminal || s.streams {
		result = s.newLine() + s.line(title, result)
	}
	fmt.Fprintln(s.out, result)
	switch {
	case interrupted:
		return fmt.Errorf("%w%s", context.Cause(ctx), cmp.Or(s.advice("; run %s again to continue"), againToContinue))
	case err != nil:
		output := ""
		if s.log != "" {
			output = "\nTerraform's output: " + s.log
		}
		var failed *terraform.Error
		if !errors.As(err, &failed) {
			err = fmt.Errorf("%s: %w", title, err)
		}
		return fmt.Errorf("%w%s%s", err, output, s.advice("\nFix that and run %s again to continue"))
	}
	return nil
}

// apply is do for a step that applies total changes of a stack. Terraform is not interrupted, so the step goes on to its end, and says so
// at each signal. Then it returns an error, so that the command ends.
func (s steps) apply(ctx context.Context, title string, stack *terraform.Stack, total int, apply func(context.Context) error) error {
	uninterrupted := context.WithoutCancel(ctx)
	err := s.do(uninterrupted, title, func(current *status) error {
		stack.OnProgress(current.apply(total))
		defer s.explainSignals(stack, current)()
		return apply(uninterrupted)
	})
	if err == nil && ctx.Err() != nil {
		return fmt.Errorf("%w, after this was complete: %s%s", context.Cause(ctx), title, cmp.Or(s.advice("; run %s again to continue"), againToContinue))
	}
	return err
}

// applyUnasked returns a function for terraform.Bootstrap that applies a plan in a step, without a question.
func (s steps) applyUnasked(ctx context.Context, current *status) func(stack *terraform.Stack, plan string) error {
	return func(stack *terraform.Stack, plan string) error {
		defer s.explainSignals(stack, current)()
		return cmp.Or(stack.Apply(ctx, plan), context.Cause(ctx))
	}
}

// explainSignals prints at each signal why the apply goes on, until the function that it returns is called.
func (s steps) explainSignals(stack *terraform.Stack, current *status) (stop func()) {
	received := notifyStop()
	done := make(chan struct{})
	go func() {
		text := "Terraform goes on until this is complete: if it stopped now, AWS could have resources that the state lacks."
		for {
			select {
			case <-done:
				return
			case each := <-received:
				fmt.Fprintf(s.out, "%s%s: %s (%s)\n", s.newLine(), unix.SignalName(each.(syscall.Signal)), text, current.describe())
				if process := stack.Process(); process != 0 {
					text = fmt.Sprintf("Terraform still goes on. kill -INT %d ends it early; then compare what AWS has with the state by hand, and import or delete the rest.", process)
				}
			}
		}
	}()
	return func() {
		signal.Stop(received)
		close(done)
	}
}

// line is the line of a step: its title, and its time or result. On a terminal, the title is cut to leave room for the result,
// because a line that wraps cannot be replaced.
func (s steps) line(title, result string) string {
	return s.cut(fmt.Sprintf("%-58s", title+" ..."), len(result)) + result
}

// cut shortens a text to the width of the terminal minus a number of columns. Without a terminal, or if its width is unknown, it returns the
// whole text.
func (s steps) cut(text string, columns int) string {
	width, _, err := term.GetSize(int(s.out.Fd()))
	if !s.terminal || err != nil || width == 0 {
		return text
	}
	return text[:min(len(text), max(0, width-1-columns))]
}

// againToContinue is the advice after an interrupt if a step has none of its own.
const againToContinue = "; run the command again to continue"

func (s steps) advice(format string) string {
	if s.retry == "" {
		return ""
	}
	return fmt.Sprintf(format, s.retry)
}

// newLine begins a line. On a terminal, it replaces the current one.
func (s steps) newLine() string {
	switch {
	case s.terminal:
		return "\r\x1b[K"
	case s.streams: // the last line is complete
		return ""
	}
	return "\n"
}

// tick shows the seconds of a step until done is closed. It returns whether it has shown any.
func (s steps) tick(title string, begin time.Time, current *status, done <-chan struct{}) (shown bool) {
	interval := time.Minute
	if s.terminal {
		interval = time.Second
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return shown
		case <-ticker.C:
			line := s.line(title, fmt.Sprintf("%7.0f s", time.Since(begin).Seconds()))
			fmt.Fprint(s.out, s.newLine()+strings.TrimSpace(s.cut(line+"    "+*current.text.Load(), 0)))
			if s.streams {
				fmt.Fprintln(s.out)
			}
			shown = true
		}
	}
}

// runQuietly runs a command, and shows its output only if it fails.
func runQuietly(command *exec.Cmd) error {
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

// copyFile copies a file's content.
func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}
