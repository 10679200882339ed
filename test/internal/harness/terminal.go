package harness

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// RunAtTerminal runs a command at a pseudo terminal of a width in columns, types the answer when the command asks for one, and returns
// what the terminal has shown, and the exit status. It kills the command after a time.
func RunAtTerminal(t *testing.T, command *exec.Cmd, columns uint16, answer string, timeout time.Duration) (screen string, status int) {
	t.Helper()
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: columns})
	Must(t, terminal, err)
	defer terminal.Close()
	// Without NOFLSH, Ctrl-C also discards what the command writes at that moment
	// (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap11.html).
	settings, err := unix.IoctlGetTermios(int(terminal.Fd()), getTermios)
	Must(t, settings, err)
	settings.Lflag |= unix.NOFLSH
	Must(t, 0, unix.IoctlSetTermios(int(terminal.Fd()), setTermios, settings))
	defer time.AfterFunc(timeout, func() { _ = command.Process.Kill() }).Stop()
	buffer := make([]byte, 4096)
	for err == nil { // until the command has closed its side of the terminal
		var n int
		n, err = terminal.Read(buffer)
		screen += string(buffer[:n])
		if answer != "" && strings.HasSuffix(screen, " to continue: ") {
			_, writeErr := terminal.WriteString(answer)
			Must(t, 0, writeErr)
			answer = ""
		}
	}
	_ = command.Wait() // its error is the exit status
	return strings.ReplaceAll(screen, "\r\n", "\n"), command.ProcessState.ExitCode()
}

// Echoes reports whether a terminal shows what is typed.
func Echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	settings, err := unix.IoctlGetTermios(int(terminal.Fd()), getTermios)
	return Must(t, settings, err).Lflag&unix.ECHO != 0
}
