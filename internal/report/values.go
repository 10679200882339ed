package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

// Kinds of values in addition to those of JSON.
type (
	sensitive struct{ value any } // compared, but never printed
	masked    struct {            // a text with copies of secrets
		value string // compared, but never printed
		text  string // value with the secrets masked
	}
	unknown   struct{} // known after the apply
	multiline []any    // the lines of a multi-line text: string, masked or sensitive
)

const unknownText = "(known after apply)"

// reader converts the values of a plan into values that can be compared and printed.
type reader struct {
	marks secrets.Marks
	known *secrets.Set // the secrets of the whole plan; copies of them are sensitive at any path
}

// beforeAfter returns the values of a resource before and after a change. Objects have no empty elements, because
// Terraform's providers do not distinguish null, empty strings, empty lists and empty objects. A path that is sensitive in
// one value is sensitive in both. known has the secrets of the plan, because Terraform marks an argument that is sensitive, and
// not the copies of it that a provider or AWS returns.
func beforeAfter(change *tfjson.Change, known *secrets.Set) (before, after any) {
	r := reader{secrets.MarksOf(change), known}
	return r.read("", change.Before, nil), r.read("", change.After, change.AfterUnknown)
}

// read converts a value; mask is true in place of each unknown value.
func (r reader) read(path string, value, mask any) any {
	switch {
	case r.marks[path] && mask == true:
		return sensitive{unknown{}}
	case r.marks[path] && value != nil:
		return sensitive{value}
	case mask == true:
		return unknown{}
	}
	switch value := value.(type) {
	case map[string]any:
		masks, _ := mask.(map[string]any)
		names := map[string]bool{}
		for _, object := range []map[string]any{value, masks} { // unknown elements are not in the value
			for name := range object {
				names[name] = true
			}
		}
		object := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if each := r.read(secrets.Member(path, name), value[name], masks[name]); !isEmpty(each) {
				object[r.key(name, object)] = each
			}
		}
		return object
	case []any:
		masks, _ := mask.([]any)
		masks = append(slices.Clone(masks), make([]any, max(0, len(value)-len(masks)))...)
		list := make([]any, len(value))
		for i := range value {
			list[i] = r.read(secrets.Element(path), value[i], masks[i])
		}
		return list
	case string:
		return r.readText(path, value)
	case json.Number:
		if r.known.Mask(value.String()) != value.String() {
			return sensitive{value}
		}
	}
	return value
}

// key returns a name without copies of secrets, which is not yet a key of the object.
func (r reader) key(name string, object map[string]any) string {
	text := r.known.Mask(name)
	for n, key := 2, text; ; n++ {
		if _, taken := object[key]; !taken {
			return key
		}
		key = fmt.Sprintf("%s %d", text, n)
	}
}

// readText converts a string: JSON and lines are compared part by part, also if they are encoded in base64.
func (r reader) readText(path, value string) any {
	if r.known.Has(value) {
		return sensitive{value}
	}
	if text, ok := decodeBase64(value); ok {
		if parsed := r.parse(path, text); parsed != nil {
			return parsed
		}
		if maskedText := r.known.Mask(text); maskedText != text {
			return newMasked(value, maskedText)
		}
	}
	if parsed := r.parse(path, value); parsed != nil {
		return parsed
	}
	if text := r.known.Mask(value); text != value {
		return newMasked(value, text)
	}
	return value
}

// newMasked returns a value whose secrets are masked in text.
func newMasked(value, text string) any {
	if text == secrets.Masked {
		return sensitive{value}
	}
	return masked{value, text}
}

// decodeBase64 returns the text that a value is the base64 of. The URL alphabet, no padding and line breaks are allowed. Text has
// no control characters other than line breaks and tabs.
func decodeBase64(value string) (text string, ok bool) {
	decoded, err := base64.RawStdEncoding.DecodeString(toStandardAlphabet.Replace(strings.TrimRight(value, "=\r\n"))) // skips line breaks
	if err != nil || len(decoded) == 0 || !utf8.Valid(decoded) {
		return "", false
	}
	text = string(decoded)
	return text, !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) })
}

var toStandardAlphabet = strings.NewReplacer("-", "+", "_", "/")

// parse returns the JSON or the lines of a text; nil if it is neither.
func (r reader) parse(path, value string) any {
	trimmed := strings.TrimSpace(value)
	if (strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")) && json.Valid([]byte(value)) {
		decoder := json.NewDecoder(strings.NewReader(value))
		decoder.UseNumber() // keeps each number as it is written
		var parsed any
		if decoder.Decode(&parsed) == nil && !isEmpty(parsed) {
			return r.read(path, parsed, nil)
		}
	}
	if !strings.Contains(trimmed, "\n") {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(value, "\n"), "\n")
	text := strings.Split(strings.TrimSuffix(r.known.Mask(value), "\n"), "\n") // the whole, because a secret may have several lines
	found := make(multiline, len(lines))
	for i, line := range lines {
		if found[i] = line; text[i] != line {
			found[i] = newMasked(line, text[i])
		}
	}
	return found
}

// isEmpty reports whether a value is null or an empty string, object or list.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return false
}

// withoutUnknown returns a value without the unknown elements of its objects; nil if it has no other elements.
func withoutUnknown(value any) any {
	some := isEmpty(value)
	switch value := value.(type) {
	case unknown:
		return nil
	case sensitive:
		if value.value == (unknown{}) {
			return nil
		}
	case map[string]any:
		object := map[string]any{}
		for name, each := range value {
			if each = withoutUnknown(each); each != nil {
				object[name], some = each, true
			}
		}
		if some {
			return object
		}
		return nil
	case []any:
		list := slices.Clone(value)
		for i, each := range value {
			if each = withoutUnknown(each); each != nil {
				list[i], some = each, true
			}
		}
		if some {
			return list
		}
		return nil
	}
	return value
}

// formatValue returns a value on one line. Numbers are printed as they are written in JSON.
func formatValue(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case sensitive:
		return secrets.Masked
	case unknown:
		return unknownText
	case string:
		return quote(value, 0)
	case masked:
		return quote(value.text, 0)
	case multiline:
		return "(" + quantity(len(value), "line") + ")"
	case map[string]any:
		items := make([]string, 0, len(value))
		for _, name := range slices.Sorted(maps.Keys(value)) {
			key := name
			if !identifier.MatchString(name) {
				key = strconv.Quote(name)
			}
			items = append(items, key+": "+formatValue(value[name]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	case []any:
		items := make([]string, len(value))
		for i, each := range value {
			items[i] = formatValue(each)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(value)
}

const stringLength = 200 // bytes that are printed of a string

// quote returns a text in quotes. Of a long one, it has only a part, which begins at a byte, and the length.
func quote(value string, start int) string {
	if len(value) <= stringLength {
		return strconv.Quote(value)
	}
	part := truncate(value[start:], stringLength)
	if start > 0 {
		part = "..." + part
	}
	return fmt.Sprintf("%s (%d characters)", strconv.Quote(part), utf8.RuneCountInString(value))
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// joinPath adds a step to a path: a name or an index.
func joinPath(path string, step any) string {
	switch step := step.(type) {
	case int:
		return fmt.Sprintf("%s[%d]", path, step)
	case json.Number: // an index in JSON
		return fmt.Sprintf("%s[%s]", path, step)
	}
	name := fmt.Sprint(step)
	switch {
	case !identifier.MatchString(name):
		return path + "[" + strconv.Quote(name) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

// diffLists returns the indices of the elements of two lists that are not in their longest common subsequence. If the
// lists are too long to compute it, it returns all elements between the first difference and the last one.
func diffLists(before, after []any) (removed, added []int) {
	start, rows, columns := 0, len(before), len(after)
	for start < min(rows, columns) && reflect.DeepEqual(before[start], after[start]) {
		start++
	}
	for start < min(rows, columns) && reflect.DeepEqual(before[rows-1], after[columns-1]) {
		rows, columns = rows-1, columns-1
	}
	long := (rows-start)*(columns-start) > 1_000_000
	common := make([][]int, rows+1) // length of the common subsequence from row i and column j on
	for i := rows; i >= start; i-- {
		common[i] = make([]int, columns+1)
		for j := columns - 1; j >= start && i < rows && !long; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); reflect.DeepEqual(before[i], after[j]) {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	for i, j := start, start; i < rows || j < columns; {
		switch {
		case i < rows && j < columns && !long && reflect.DeepEqual(before[i], after[j]):
			i, j = i+1, j+1
		case j == columns || i < rows && common[i+1][j] >= common[i][j+1]:
			removed, i = append(removed, i), i+1
		default:
			added, j = append(added, j), j+1
		}
	}
	return removed, added
}
