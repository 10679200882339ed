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

// What a value may be, beside what JSON has.
type (
	hidden struct{ value any } // sensitive: compared, never shown
	later  struct{}            // known after the apply
	lines  []any               // the strings of a text of several lines
)

const (
	sensitiveText = "(sensitive)"
	unknownText   = "(known after apply)"
)

// reader turns what a plan says of a resource into values that can be compared and shown.
type reader struct {
	sensitive map[string]bool // paths without indices: an element moves when others come and go
	secrets   map[string]bool // strings found there, which are sensitive wherever else they are
}

// sides is the values of a resource before and after a change. Null, empty strings, lists and objects mean the same to
// Terraform's providers, so an object has none of them. What is sensitive on one side is on both.
func sides(change *tfjson.Change) (before, after any) {
	r := reader{map[string]bool{}, map[string]bool{}}
	r.mark("", change.BeforeSensitive)
	r.mark("", change.AfterSensitive)
	// The first reading finds the secrets. Some resources copy an argument, and Terraform marks only the argument.
	for range 2 {
		before, after = r.read("", change.Before, nil), r.read("", change.After, change.AfterUnknown)
	}
	return before, after
}

// mark keeps where a mask is true. It has the structure of the value, and true in place of what is sensitive
// (https://developer.hashicorp.com/terraform/internals/json-format#change-representation).
func (r reader) mark(path string, mask any) {
	switch mask := mask.(type) {
	case bool:
		if mask {
			r.sensitive[path] = true
		}
	case map[string]any:
		for name, each := range mask {
			r.mark(path+"\n"+name, each)
		}
	case []any:
		for _, each := range mask {
			r.mark(path+"\n", each)
		}
	}
}

// read turns one value, with the mask of what is unknown in it.
func (r reader) read(path string, value, unknown any) any {
	switch {
	case r.sensitive[path] && unknown == true:
		return hidden{later{}}
	case r.sensitive[path] && value != nil:
		r.keep(value)
		return hidden{value}
	case unknown == true:
		return later{}
	}
	switch value := value.(type) {
	case map[string]any:
		masks, _ := unknown.(map[string]any)
		object := map[string]any{}
		for _, names := range []map[string]any{value, masks} { // what is unknown is not in the value
			for name := range names {
				if each := r.read(path+"\n"+name, value[name], masks[name]); !empty(each) {
					object[name] = each
				}
			}
		}
		return object
	case []any:
		masks, _ := unknown.([]any)
		masks = append(slices.Clone(masks), make([]any, max(0, len(value)-len(masks)))...)
		list := make([]any, len(value))
		for i := range value {
			list[i] = r.read(path+"\n", value[i], masks[i])
		}
		return list
	case string:
		if r.secrets[value] {
			return hidden{value}
		}
		if inside := content(value); inside != nil {
			return r.read(path, inside, nil)
		}
	}
	return value
}

// keep remembers the strings of a sensitive value, except those so short that they are found by chance.
func (r reader) keep(value any) {
	switch value := value.(type) {
	case string:
		if len(value) >= 8 {
			r.secrets[value] = true
		}
	case map[string]any:
		for _, each := range value {
			r.keep(each)
		}
	case []any:
		for _, each := range value {
			r.keep(each)
		}
	}
}

// content is the JSON or the lines that a string contains, plainly or as base64; nil where it contains neither.
func content(value string) any {
	if decoded, err := base64.StdEncoding.DecodeString(value); err == nil && len(decoded) > 0 && utf8.Valid(decoded) {
		if inside := content(string(decoded)); inside != nil {
			return inside
		}
	}
	trimmed := strings.TrimSpace(value)
	if (strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")) && json.Valid([]byte(value)) {
		decoder := json.NewDecoder(strings.NewReader(value))
		decoder.UseNumber() // as it is written
		var inside any
		if decoder.Decode(&inside) == nil && !empty(inside) {
			return inside
		}
	}
	if !strings.Contains(trimmed, "\n") {
		return nil
	}
	var found lines
	for line := range strings.SplitSeq(strings.TrimSuffix(value, "\n"), "\n") {
		found = append(found, line)
	}
	return found
}

// empty tells whether a value means nothing.
func empty(value any) bool {
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

// known is a value without what is unknown in its objects; nil where nothing else is in it.
func known(value any) any {
	some := empty(value)
	switch value := value.(type) {
	case later:
		return nil
	case hidden:
		if value.value == (later{}) {
			return nil
		}
	case map[string]any:
		object := map[string]any{}
		for name, each := range value {
			if each = known(each); each != nil {
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
			if each = known(each); each != nil {
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

// compact is a value on one line.
func compact(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case hidden:
		return sensitiveText
	case later:
		return unknownText
	case string:
		return quote(value)
	case lines:
		return "(" + count(len(value), "line") + ")"
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case map[string]any:
		items := make([]string, 0, len(value))
		for _, name := range slices.Sorted(maps.Keys(value)) {
			key := name
			if !identifier.MatchString(name) {
				key = strconv.Quote(name)
			}
			items = append(items, key+": "+compact(value[name]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	case []any:
		items := make([]string, len(value))
		for i, each := range value {
			items[i] = compact(each)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(value)
}

const stringLength = 200 // bytes of a string that are shown

func quote(value string) string {
	if len(value) <= stringLength {
		return strconv.Quote(value)
	}
	return fmt.Sprintf("%s (%d characters)", strconv.Quote(cut(value, stringLength)), utf8.RuneCountInString(value))
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// join is a path and one step more: a name, or an index.
func join(path string, step any) string {
	switch step := step.(type) {
	case int:
		return fmt.Sprintf("%s[%d]", path, step)
	case float64: // as JSON has it
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

// apart finds the elements of two lists that are not in a longest common subsequence of them; in lists so long that this
// takes long, all between the first difference and the last one.
func apart(before, after []any) (removed, added []int) {
	start, rows, columns := 0, len(before), len(after)
	for start < min(rows, columns) && reflect.DeepEqual(before[start], after[start]) {
		start++
	}
	for start < min(rows, columns) && reflect.DeepEqual(before[rows-1], after[columns-1]) {
		rows, columns = rows-1, columns-1
	}
	long := (rows-start)*(columns-start) > 1_000_000
	common := make([][]int, rows+1) // length of what is common from row i and column j on
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
