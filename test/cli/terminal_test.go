package cli

import (
	"testing"
	"time"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// runAtTerminal is harness.RunAtTerminal of starttech.
func (c checkout) runAtTerminal(t *testing.T, columns uint16, arguments, answer string) (screen string, status int) {
	t.Helper()
	return harness.RunAtTerminal(t, c.command(t, arguments), columns, answer, time.Minute)
}

// Keys of a terminal, which it turns into an interrupt and the end of the input.
const (
	controlC = "\x03"
	controlD = "\x04"
)
