package report

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// code is a code span, whatever the text contains (https://spec.commonmark.org/0.31.2/#code-spans).
func code(text string) string {
	ticks := strings.Repeat("`", longestTicks(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return ticks + oneLine(text) + ticks
}

// fold is a part that is closed until a reader opens it: text in a fenced block, which nothing in the text ends.
func fold(summary, language, text string) string {
	fence := strings.Repeat("`", max(3, longestTicks(text)+1))
	return fmt.Sprintf("\n<details><summary>%s</summary>\n\n%s%s\n%s%s\n\n</details>\n", summary, fence, language, text, fence)
}

// longestTicks is the length of the longest run of backticks.
func longestTicks(text string) int {
	longest, run := 0, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// What Markdown and GitHub would take for more than a character. An underscore inside a word is only that.
var special = regexp.MustCompile("[\\\\`*<>\\[\\]|~$&#]|\\b_+|_+\\b")

// escape is text in which nothing is Markdown, HTML, or the mention of a person.
func escape(text string) string {
	text = special.ReplaceAllStringFunc(text, func(found string) string {
		var escaped strings.Builder
		for _, r := range found {
			escaped.WriteString(`\` + string(r))
		}
		return escaped.String()
	})
	return strings.ReplaceAll(text, "@", "@<!-- -->")
}

// oneLine is the text without line breaks and other control characters.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// cut is at most the first size bytes of a text; it shows that there are more.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size], "") + "..."
}

// section is a list under its title, of at most size bytes; empty where there are no items.
func section(title, more string, items []string, size int) string {
	if len(items) == 0 {
		return ""
	}
	fitting, left := fit(len(items), size, func(i int) string { return items[i] })
	text := title + strings.Join(fitting, "")
	if left > 0 {
		text += fmt.Sprintf(more, left)
	}
	return text
}

// fit is the first of n texts that have at most size bytes together, a line break each included, and how many are left.
func fit(n, size int, text func(i int) string) (fitting []string, left int) {
	for i := range n {
		next := text(i)
		if size -= len(next) + 1; size < 0 {
			return fitting, n - i
		}
		fitting = append(fitting, next)
	}
	return fitting, 0
}

// count is "1 line" or "2 lines".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
