package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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
		s.WriteString(": " + cut(p.Path))
	}
	s.WriteString(": " + longValue.ReplaceAllStringFunc(p.Message, shorten))
	return strings.Map(func(r rune) rune { // a value from the file must not break the line
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s.String())
}

// Limits that keep errors readable, for example if another file has taken the place of an environment's.
const (
	maxValue    = 200 // characters of a value
	maxProblems = 100 // that are printed
)

// longValue matches a value in a message that may be longer than maxValue: a string in quotes, or a number or a name.
var longValue = regexp.MustCompile(fmt.Sprintf(`"(?:[^"\\]|\\.){%[1]d,}"|\S{%[1]d,}`, maxValue+1))

// shorten returns a value with at most maxValue characters.
func shorten(value string) string {
	if text, err := strconv.Unquote(value); err == nil {
		return strconv.Quote(cut(text))
	}
	return cut(value)
}

func cut(text string) string {
	if runes := []rune(text); len(runes) > maxValue {
		return string(runes[:maxValue]) + "..."
	}
	return text
}

// Problems is everything that is wrong in all environment files, in the order of reading. As an error it is never empty.
type Problems []Problem

// Error is a line for each of the first maxProblems problems, and the number of the others.
func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps[:min(len(ps), maxProblems)] {
		lines = append(lines, p.String())
	}
	switch more := len(ps) - len(lines); more {
	case 0:
	case 1:
		lines = append(lines, "and 1 more mistake")
	default:
		lines = append(lines, fmt.Sprintf("and %d more mistakes", more))
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps
}
