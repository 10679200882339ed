package report

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

// Limits that keep a plan readable.
const (
	lineLength     = 300 // bytes of a line
	objectLength   = 100 // bytes of an object or of a list of objects on one line; a longer one has a line per element
	resourceLength = 60  // lines of a resource
	textLength     = 40  // differing lines of a multi-line text
)

// difference is an attribute, or a part of one, that a plan changes.
type difference struct {
	path          string // "tag[0].value"
	before, after string // formatted values; empty if there is no value
}

// attribute returns the resource's attribute that the path starts with.
func (d difference) attribute() string { return d.path[:strings.IndexAny(d.path+".", ".[ ")] }

// header returns the first line of a resource: a sign, its address, and notes.
func header(resource *tfjson.ResourceChange, known *secrets.Set) string {
	actions := resource.Change.Actions
	sign := "!"
	var notes []string
	switch {
	case actions.Replace():
		note := "replaced" + replaceReason(resource, known, func(path string) string { return path })
		if actions.CreateBeforeDestroy() {
			note += ", create before destroy"
		}
		notes = append(notes, note)
	case actions.Create():
		sign = "+"
	case actions.Delete():
		sign = "-"
	case actions.Forget():
		sign = "-"
		notes = append(notes, "forgotten: no longer managed by Terraform, not destroyed")
	case replaces(actions):
		notes = append(notes, "replaced; the old one is forgotten: no longer managed by Terraform, not destroyed")
	}
	if resource.DeposedKey != "" {
		notes = append(notes, "deposed object "+resource.DeposedKey)
	}
	if isMoved(resource) {
		notes = append(notes, "moved from "+resource.PreviousAddress)
	}
	if resource.Change.Importing != nil {
		notes = append(notes, "imported")
	}
	line := sign + " " + resource.Address
	if len(notes) > 0 {
		line += " (" + strings.Join(notes, "; ") + ")"
	}
	return line
}

// replaces reports whether there is a new object in place of an old one, which is destroyed or forgotten.
func replaces(actions tfjson.Actions) bool {
	return actions.Replace() || slices.Contains(actions, tfjson.ActionCreate) && slices.Contains(actions, tfjson.ActionForget)
}

// block returns the text of a resource: its header and at most resourceLength lines, each truncated to lineLength.
func block(header string, lines []string, known *secrets.Set) string {
	if more := len(lines) - resourceLength; more > 1 {
		lines = append(lines[:resourceLength:resourceLength], fmt.Sprintf("%s     (and %s)", header[:1], quantity(more, "more line")))
	}
	var text strings.Builder
	for _, line := range append([]string{header}, lines...) {
		text.WriteString(truncate(oneLine(known.Mask(line)), lineLength) + "\n") // an address may have a copy of a secret
	}
	return text.String()
}

// renderChange returns the lines below a resource's header: the attributes of a new resource, or the differences of a
// changed one. A destroyed resource has none.
func renderChange(change *tfjson.Change, known *secrets.Set) []string {
	replace := replaces(change.Actions)
	var found []difference
	switch {
	case change.Actions.Create():
		_, after := beforeAfter(change, known)
		if attributes, ok := withoutUnknown(after).(map[string]any); ok {
			delete(attributes, "tags_all") // the provider's default tags are the same on every resource
			found = flatten("", attributes)
		}
	case replace, change.Actions.Update():
		found = diffChange(change, known)
		if len(found) == 0 {
			return []string{"!     (no visible change)"}
		}
	}

	var replacePaths []string
	for _, path := range replacePathsOf(change) {
		replacePaths = append(replacePaths, known.Mask(path)) // as in the differences
	}
	var text []string
	for _, d := range found {
		forces := slices.ContainsFunc(replacePaths, func(path string) bool { return isWithin(d.path, path) || isWithin(path, d.path) })
		// A replacement has new IDs, and AWS's defaults for arguments that are not set.
		if replace && !forces && (d.after == unknownText || d.after == "" && (d.before == "false" || d.before == "0")) {
			continue
		}
		for _, side := range []struct{ sign, value string }{{"-", d.before}, {"+", d.after}} {
			if side.value != "" {
				text = append(text, side.sign+"     "+d.path+": "+side.value)
			}
		}
		if forces {
			const mark = "  # forces replacement"
			text[len(text)-1] = truncate(text[len(text)-1], lineLength-len(mark)-len("...")) + mark
		}
	}
	return text
}

// isWithin reports whether a path is equal to another one or below it.
func isWithin(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], ".[ "))
}

// diffChange returns the differences between the two values of a change, ordered by path.
func diffChange(change *tfjson.Change, known *secrets.Set) []difference {
	before, after := beforeAfter(change, known)
	found := compare("", before, after)
	// Tags occur twice: as configured in tags, and together with the provider's default tags in tags_all.
	all := map[difference]bool{}
	for _, d := range found {
		all[d] = true
	}
	return slices.DeleteFunc(found, func(d difference) bool {
		rest, isTagsAll := strings.CutPrefix(d.path, "tags_all")
		d.path = "tags" + rest
		return isTagsAll && all[d]
	})
}

// compare returns the differences between two values, recursively.
func compare(path string, before, after any) []difference {
	if reflect.DeepEqual(before, after) || isEmpty(before) && isEmpty(after) {
		return nil
	}
	oldObject, isObject := before.(map[string]any)
	newObject, becomesObject := after.(map[string]any)
	oldList, isList := before.([]any)
	newList, becomesList := after.([]any)
	oldLines, newLines, areTexts := texts(before, after)
	switch {
	case isObject && becomesObject:
		names := maps.Clone(oldObject)
		maps.Copy(names, newObject)
		var found []difference
		for _, name := range slices.Sorted(maps.Keys(names)) {
			found = append(found, compare(joinPath(path, name), oldObject[name], newObject[name])...)
		}
		return found
	case isList && becomesList:
		return compareLists(oldList, newList, func(i int) string { return joinPath(path, i) })
	case areTexts:
		return limitLines(path, compareLists(oldLines, newLines, func(i int) string { return fmt.Sprintf("%s line %d", path, i+1) }))
	case (isObject || isList) && after != unknown{} || becomesObject || becomesList:
		removed := flatten(path, before)
		for i := range removed {
			removed[i].before, removed[i].after = removed[i].after, ""
		}
		return append(removed, flatten(path, after)...)
	}
	d := difference{path: path}
	if !isEmpty(before) {
		d.before = formatValue(before)
	}
	if !isEmpty(after) || d.before == "" {
		d.after = formatValue(after)
	}
	oldText, isText := printedText(before)
	newText, becomesText := printedText(after)
	if isText && becomesText && oldText != "" && newText != "" { // long ones are cut where they differ
		start := excerptStart(oldText, newText)
		d.before, d.after = quote(oldText, start), quote(newText, start)
	}
	return []difference{d}
}

// texts returns two values as lines, if one of them is a multi-line text and the other is a text or empty.
func texts(before, after any) (oldLines, newLines multiline, ok bool) {
	lines := func(value any) (found multiline, isMultiline, isText bool) {
		switch value := value.(type) {
		case multiline:
			return value, true, true
		case string, masked:
			if isEmpty(value) {
				return nil, false, true
			}
			return multiline{value}, false, true
		}
		return nil, false, value == nil
	}
	oldLines, isMultiline, isText := lines(before)
	newLines, becomesMultiline, becomesText := lines(after)
	return oldLines, newLines, (isMultiline || becomesMultiline) && isText && becomesText
}

// limitLines returns at most the first textLength differing lines of a text, and the number of the others.
func limitLines(path string, found []difference) []difference {
	size := 0
	for i, d := range found {
		size += countSides(d)
		if size > textLength {
			more := 0
			for _, d := range found[i:] {
				more += countSides(d)
			}
			return append(found[:i:i], difference{path, "", fmt.Sprintf("(and %s)", quantity(more, "more differing line"))})
		}
	}
	return found
}

// countSides returns the number of lines that a difference is printed on.
func countSides(d difference) (n int) {
	for _, side := range []string{d.before, d.after} {
		if side != "" {
			n++
		}
	}
	return n
}

// printedText returns a value that is a text of one line, without secrets.
func printedText(value any) (text string, ok bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case masked:
		return value.text, true
	}
	return "", false
}

// excerptStart returns from which byte on two texts are printed: 0, or a little before their first difference if one of them is
// cut and the difference is far from its beginning.
func excerptStart(before, after string) int {
	const context = 40 // bytes
	if max(len(before), len(after)) <= stringLength {
		return 0
	}
	same := 0
	for same < min(len(before), len(after)) && before[same] == after[same] {
		same++
	}
	if same < stringLength/2 {
		return 0
	}
	start := same - context
	for !utf8.RuneStart(before[start]) {
		start--
	}
	return start
}

// compareLists ignores the elements that both lists have in common. It compares the remaining ones in pairs if both lists
// have equally many of them; otherwise it returns them as removed and added.
func compareLists(before, after []any, path func(i int) string) []difference {
	removed, added := diffLists(before, after)
	var found []difference
	if len(removed) != len(added) {
		for _, i := range removed {
			found = append(found, compare(path(i), before[i], nil)...)
		}
		for _, j := range added {
			found = append(found, compare(path(j), nil, after[j])...)
		}
		return found
	}
	for n, i := range removed {
		j := added[n]
		if reflect.DeepEqual(before[i], after[j]) {
			found = append(found, difference{path(j), "", fmt.Sprintf("%s (from %s)", formatValue(after[j]), path(i))})
			continue
		}
		found = append(found, compare(path(j), before[i], after[j])...)
	}
	return found
}

// flatten returns a value that exists only before or only after a change, as the after of each difference. An object, or a
// list with objects or lists in it, is split into its elements if it is longer than objectLength.
func flatten(path string, value any) []difference {
	if isEmpty(value) {
		return nil
	}
	object, isObject := value.(map[string]any)
	list, isList := value.([]any)
	isList = isList && slices.ContainsFunc(list, func(each any) bool {
		kind := reflect.ValueOf(each).Kind()
		return kind == reflect.Map || kind == reflect.Slice
	})
	whole := formatValue(value)
	if path != "" && len(whole) <= objectLength || !isObject && !isList {
		return []difference{{path, "", whole}}
	}
	var found []difference
	for _, name := range slices.Sorted(maps.Keys(object)) {
		found = append(found, flatten(joinPath(path, name), object[name])...)
	}
	for i, each := range list {
		found = append(found, flatten(joinPath(path, i), each)...)
	}
	return found
}
