package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Mistake is one thing wrong in an environment file.
type Mistake struct {
	File         string // as the caller named the folder: environments/production.yaml
	Line, Column int    // from 1; 0 where the whole file is meant
	Path         string // network.availabilityZones[1].name; empty where the whole file is meant
	Message      string // what was found and what is allowed
}

// String is the mistake in one line, in the form that editors and terminals make a link of.
func (m Mistake) String() string {
	var s strings.Builder
	s.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&s, ":%d:%d", m.Line, m.Column)
	}
	if m.Path != "" {
		s.WriteString(": " + m.Path)
	}
	s.WriteString(": " + m.Message)
	return strings.Map(func(r rune) rune { // what a file holds must not break the line
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s.String())
}

// Mistakes is everything wrong in all environment files, in the order of reading. It is never an empty error.
type Mistakes []Mistake

func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

func (ms Mistakes) sorted() Mistakes {
	slices.SortStableFunc(ms, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ms
}
