// Package cli tests the commands as a person or a workflow calls them.
package cli

import (
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestMain(m *testing.M) {
	harness.LowerPriority()
	harness.Main(m)
}

var (
	equal = harness.Equal
	has   = harness.Has
)

// check fails the test if there is an error.
func check(t *testing.T, err error) {
	t.Helper()
	harness.Must(t, 0, err)
}

// wantError fails the test unless the error is one line that contains a text.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if got := err.Error(); !strings.Contains(got, want) || strings.Contains(strings.TrimSpace(got), "\n") {
		t.Errorf("got  %q\nwant one line with %q", got, want)
	}
}
