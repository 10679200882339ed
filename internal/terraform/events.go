package terraform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/starttech/infrastructure/internal/secrets"
)

// Progress is how far an apply is.
type Progress struct {
	Done    int      // resources that are created, changed or destroyed
	Running []string // addresses of the resources in progress, the oldest first
}

// event is one line of Terraform's JSON output
// (https://developer.hashicorp.com/terraform/internals/machine-readable-ui).
type event struct {
	Level   string `json:"@level"`
	Message string `json:"@message"`
	Type    string `json:"type"`
	Hook    struct {
		Resource struct {
			Address string `json:"addr"`
		} `json:"resource"`
	} `json:"hook"`
	Diagnostic struct {
		Severity string `json:"severity"`
		Summary  string `json:"summary"`
		Detail   string `json:"detail"`
		Address  string `json:"address"`
	} `json:"diagnostic"`
}

// events reads Terraform's JSON output from Write. It writes each event's message to log, calls progress if it is not nil,
// and collects the warnings and errors.
type events struct {
	log      io.Writer
	progress func(Progress)
	known    *secrets.Set // masked in the messages

	rest        []byte // an incomplete line
	state       Progress
	diagnostics []string // warnings and errors, which Terraform prints at the end
	errors      []string
	other       strings.Builder // output that is no event
}

func (e *events) Write(content []byte) (int, error) {
	e.rest = append(e.rest, content...)
	for {
		line, rest, ok := bytes.Cut(e.rest, []byte("\n"))
		if !ok {
			return len(content), nil
		}
		e.rest = rest
		e.read(line)
	}
}

func (e *events) read(line []byte) {
	var one event
	if json.Unmarshal(line, &one) != nil { // output of a plugin, or of Go itself
		fmt.Fprintln(io.MultiWriter(e.log, &e.other), e.known.Mask(string(line)))
		return
	}
	address := one.Hook.Resource.Address
	switch one.Type {
	case "diagnostic":
		text := one.text()
		if one.Diagnostic.Severity == "error" {
			e.errors = append(e.errors, text)
		}
		e.diagnostics = append(e.diagnostics, text)
		return
	case "apply_start":
		e.state.Running = append(e.state.Running, address)
	case "apply_complete":
		e.state.Done++
		fallthrough
	case "apply_errored":
		e.state.Running = slices.DeleteFunc(slices.Clone(e.state.Running), func(running string) bool { return running == address })
	case "apply_progress":
		return // once in ten seconds for each resource
	}
	fmt.Fprintln(e.log, e.known.Mask(one.Message))
	if e.progress != nil {
		e.progress(e.state)
	}
}

// text is a diagnostic in the form of Terraform's output for people.
func (e event) text() string {
	d := e.Diagnostic
	text := strings.ToUpper(d.Severity[:min(1, len(d.Severity))]) + d.Severity[min(1, len(d.Severity)):] + ": " + d.Summary + "\n"
	if d.Address != "" {
		text += "\n  with " + d.Address + "\n"
	}
	if d.Detail != "" {
		text += "\n" + d.Detail + "\n"
	}
	return text
}

// end writes the diagnostics, in which the secrets in known are masked. It returns the errors that Terraform reported, sorted, because
// their order varies. If it reported none, it returns err with the output that is no event.
func (e *events) end(err error, known *secrets.Set) error {
	for _, text := range e.diagnostics {
		fmt.Fprintln(e.log, known.Mask(text))
	}
	switch {
	case err == nil:
		return nil
	case len(e.errors) == 0:
		return errors.New(strings.TrimSpace(err.Error() + "\n" + e.other.String()))
	}
	return errors.New(strings.Join(slices.Sorted(slices.Values(e.errors)), "\n"))
}
