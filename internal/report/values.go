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
	"unicode/utf8"

	tfjson "github.com/hashicorp/terraform-json"
)

// Kinds of values in addition to those of JSON.
type (
	sensitive struct{ value any } // compared, but never printed
	unknown   struct{}            // known after the apply
	multiline []any               // the lines of a multi-line string
)

const (
	sensitiveText = "(sensitive)"
	unknownText   = "(known after apply)"
)

// reader converts the values of a plan into values that can be compared and printed.
type reader struct {
	sensitive map[string]bool // paths without indices, because an element's index changes when others are added or removed
	secrets   map[string]bool // strings at those paths; they are sensitive at any other path too
}

// beforeAfter returns the values of a resource before and after a change. Objects have no empty elements, because
// Terraform's providers do not distinguish null, empty strings, empty lists and empty objects. A path that is sensitive in
// one value is sensitive in both.
func beforeAfter(change *tfjson.Change) (before, after any) {
	r := reader{map[string]bool{}, map[string]bool{}}
	r.markSensitive("", change.BeforeSensitive)
	r.markSensitive("", change.AfterSensitive)
	// The first pass collects the secrets: some resources copy an argument, and Terraform marks only the argument.
	for range 2 {
		before, after = r.read("", change.Before, nil), r.read("", change.After, change.AfterUnknown)
	}
	return before, after
}

// markSensitive adds the paths at which a mask is true. A mask has the structure of the value, and true in place of each
// sensitive value (https://developer.hashicorp.com/terraform/internals/json-format#change-representation).
func (r reader) markSensitive(path string, mask any) {
	switch mask := mask.(type) {
	case bool:
		if mask {
			r.sensitive[path] = true
		}
	case map[string]any:
		for name, each := range mask {
			r.markSensitive(path+"\n"+name, each)
		}
	case []any:
		for _, each := range mask {
			r.markSensitive(path+"\n", each)
		}
	}
}

// read converts a value; mask is true in place of each unknown value.
func (r reader) read(path string, value, mask any) any {
	switch {
	case r.sensitive[path] && mask == true:
		return sensitive{unknown{}}
	case r.sensitive[path] && value != nil:
		r.addSecrets(value)
		return sensitive{value}
	case mask == true:
		return unknown{}
	}
	switch value := value.(type) {
	case map[string]any:
		masks, _ := mask.(map[string]any)
		object := map[string]any{}
		for _, names := range []map[string]any{value, masks} { // unknown elements are not in the value
			for name := range names {
				if each := r.read(path+"\n"+name, value[name], masks[name]); !isEmpty(each) {
					object[name] = each
				}
			}
		}
		return object
	case []any:
		masks, _ := mask.([]any)
		masks = append(slices.Clone(masks), make([]any, max(0, len(value)-len(masks)))...)
		list := make([]any, len(value))
		for i := range value {
			list[i] = r.read(path+"\n", value[i], masks[i])
		}
		return list
	case string:
		if r.secrets[value] {
			return sensitive{value}
		}
		if parsed := parse(value); parsed != nil {
			return r.read(path, parsed, nil)
		}
	}
	return value
}

// addSecrets adds the strings of a sensitive value to the secrets, except those shorter than 8 bytes, which may occur
// elsewhere by chance.
func (r reader) addSecrets(value any) {
	switch value := value.(type) {
	case string:
		if len(value) >= 8 {
			r.secrets[value] = true
		}
	case map[string]any:
		for _, each := range value {
			r.addSecrets(each)
		}
	case []any:
		for _, each := range value {
			r.addSecrets(each)
		}
	}
}

// parse returns the JSON or the lines of a string, which may be encoded in base64; nil if it is neither.
func parse(value string) any {
	if decoded, err := base64.StdEncoding.DecodeString(value); err == nil && len(decoded) > 0 && utf8.Valid(decoded) {
		if parsed := parse(string(decoded)); parsed != nil {
			return parsed
		}
	}
	trimmed := strings.TrimSpace(value)
	if (strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")) && json.Valid([]byte(value)) {
		decoder := json.NewDecoder(strings.NewReader(value))
		decoder.UseNumber() // keeps each number as it is written
		var parsed any
		if decoder.Decode(&parsed) == nil && !isEmpty(parsed) {
			return parsed
		}
	}
	if !strings.Contains(trimmed, "\n") {
		return nil
	}
	var found multiline
	for line := range strings.SplitSeq(strings.TrimSuffix(value, "\n"), "\n") {
		found = append(found, line)
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

// formatValue returns a value on one line.
func formatValue(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case sensitive:
		return sensitiveText
	case unknown:
		return unknownText
	case string:
		return quote(value)
	case multiline:
		return "(" + quantity(len(value), "line") + ")"
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
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

func quote(value string) string {
	if len(value) <= stringLength {
		return strconv.Quote(value)
	}
	return fmt.Sprintf("%s (%d characters)", strconv.Quote(truncate(value, stringLength)), utf8.RuneCountInString(value))
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// joinPath adds a step to a path: a name or an index.
func joinPath(path string, step any) string {
	switch step := step.(type) {
	case int:
		return fmt.Sprintf("%s[%d]", path, step)
	case float64: // an index in JSON
		return fmt.Sprintf("%s[%d]", path, int(step))
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
