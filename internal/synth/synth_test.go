package synth

import (
	"os"
	"testing"
)

func TestReasonFollowsTheWarnings(t *testing.T) {
	for output, want := range map[string]string{
		"synthesize: no space left on device":                                                 "no space left on device",
		"warning: production: backend.amazonLinux is al2\nsynthesize: two\nlines":             "two\nlines",
		"environments/x.yaml:1:1: account: is missing\nenvironments/x.yaml:2:1: x: no":        "environments/x.yaml:1:1: account: is missing\nenvironments/x.yaml:2:1: x: no",
		"panic: write /tmp/x: no space left on device\n\ngoroutine 1 [running]:\nmain.main()": "write /tmp/x: no space left on device; the temporary files are in " + os.TempDir(),
	} {
		if got := reason(output); got != want {
			t.Errorf("%q: got %q, want %q", output, got, want)
		}
	}
}
