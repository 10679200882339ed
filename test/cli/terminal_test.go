package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// runAtTerminal runs a command at a pseudo terminal of a width in columns, types the answer when the command asks for one, and
// returns what the terminal has shown, and the exit status.
func (c checkout) runAtTerminal(t *testing.T, columns uint16, arguments, answer string) (screen string, status int) {
	t.Helper()
	command := c.command(t, arguments)
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: columns})
	check(t, err)
	defer terminal.Close()
	defer time.AfterFunc(time.Minute, func() { _ = command.Process.Kill() }).Stop()
	buffer := make([]byte, 4096)
	for err == nil { // until the command has closed its side of the terminal
		var n int
		n, err = terminal.Read(buffer)
		screen += string(buffer[:n])
		if answer != "" && strings.HasSuffix(screen, " to continue: ") {
			_, writeErr := terminal.WriteString(answer)
			check(t, writeErr)
			answer = ""
		}
	}
	_ = command.Wait() // its error is the exit status
	return strings.ReplaceAll(screen, "\r\n", "\n"), command.ProcessState.ExitCode()
}

// Keys of a terminal, which it turns into an interrupt and the end of the input.
const (
	controlC = "\x03"
	controlD = "\x04"
)
