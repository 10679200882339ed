package report

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// code returns a code span; the text may contain backticks (https://spec.commonmark.org/0.31.2/#code-spans).
func code(text string) string {
	ticks := strings.Repeat("`", longestTicks(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return ticks + oneLine(text) + ticks
}

// collapsible returns a collapsed <details> element with the text in a fenced code block. The fence is longer than any run
// of backticks in the text.
func collapsible(summary, language, text string) string {
	fence := strings.Repeat("`", max(3, longestTicks(text)+1))
	return fmt.Sprintf("\n<details><summary>%s</summary>\n\n%s%s\n%s%s\n\n</details>\n", summary, fence, language, text, fence)
}

// longestTicks returns the length of the longest run of backticks.
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

// special matches the characters with a meaning in Markdown or on GitHub. An underscore inside a word has none.
var special = regexp.MustCompile("[\\\\`*<>\\[\\]|~$&#]|\\b_+|_+\\b")

// escape returns the text such that nothing in it is Markdown, HTML or a mention of a user.
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

// Escape returns the text in one line, such that nothing in it is Markdown, HTML or a mention of a user.
func Escape(text string) string { return escape(oneLine(text)) }

// oneLine replaces line breaks and other control characters with spaces.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// truncate returns at most the first size bytes of a text, followed by "..." if it is longer.
func truncate(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size], "") + "..."
}

// section returns a title and at most size bytes of the items below it; empty if there are no items. more is the format of
// the line with the number of omitted items.
func section(title, more string, items []string, size int) string {
	if len(items) == 0 {
		return ""
	}
	fitting, omitted := fit(len(items), size, func(i int) string { return items[i] })
	text := title + strings.Join(fitting, "")
	if omitted > 0 {
		text += fmt.Sprintf(more, omitted)
	}
	return text
}

// fit returns the first of n texts that together have at most size bytes, including a line break after each, and the
// number of the other texts.
func fit(n, size int, text func(i int) string) (fitting []string, omitted int) {
	for i := range n {
		next := text(i)
		if size -= len(next) + 1; size < 0 {
			return fitting, n - i
		}
		fitting = append(fitting, next)
	}
	return fitting, 0
}

// quantity returns "1 line" or "2 lines".
func quantity(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
