package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong in an environment file.
type Problem struct {
	File         string // with the directory as the caller named it: environments/production.yaml
	Line, Column int    // from 1; 0 for the whole file
	Path         string // network.availabilityZones[1].name; empty for the whole file
	Message      string // what was found and what is allowed
}

// String is the problem in one line, FILE:LINE:COLUMN: PATH: MESSAGE, which editors and terminals turn into a link.
func (p Problem) String() string {
	var s strings.Builder
	s.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&s, ":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		s.WriteString(": " + p.Path)
	}
	s.WriteString(": " + p.Message)
	return strings.Map(func(r rune) rune { // a value from the file must not break the line
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s.String())
}

// Problems is everything that is wrong in all environment files, in the order of reading. As an error it is never empty.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps
}
