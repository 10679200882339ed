package report

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Where a plan becomes too long to read.
const (
	lineLength     = 300 // bytes of a line
	objectLength   = 100 // bytes of an object or of a list of objects; a longer one is shown part by part
	resourceLength = 60  // lines of a resource
	textLength     = 12  // lines that differ in a text
)

// difference is an attribute, or a part of one, that a plan changes.
type difference struct {
	path          string // "tag[0].value"
	before, after string // as they are shown; empty where there is no value
}

// attribute is the name of the resource's attribute that the path begins with.
func (d difference) attribute() string { return d.path[:strings.IndexAny(d.path+".", ".[ ")] }

// head is the first line of a resource: a sign, its address, and what else a reader should know.
func head(resource *tfjson.ResourceChange) string {
	actions := resource.Change.Actions
	sign := "!"
	var notes []string
	switch {
	case actions.Replace():
		note := "replaced" + because(resource, func(path string) string { return path })
		if actions.CreateBeforeDestroy() {
			note += ", the new one first"
		}
		notes = append(notes, note)
	case actions.Create():
		sign = "+"
	case actions.Delete():
		sign = "-"
	case actions.Forget():
		sign = "-"
		notes = append(notes, "forgotten: it stays, and Terraform no longer knows it")
	}
	if resource.DeposedKey != "" {
		notes = append(notes, "object "+resource.DeposedKey+", replaced before")
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

// block is a resource's lines, each of them cut to a bearable length, and so is their number.
func block(head string, lines []string) string {
	if more := len(lines) - resourceLength; more > 1 {
		lines = append(lines[:resourceLength:resourceLength], fmt.Sprintf("%s     (and %s more)", head[:1], count(more, "line")))
	}
	var text strings.Builder
	for _, line := range append([]string{head}, lines...) {
		text.WriteString(cut(oneLine(line), lineLength) + "\n")
	}
	return text.String()
}

// shown is the lines below a resource's first: what it is created with, or what becomes different. A resource that is
// destroyed has none.
func shown(change *tfjson.Change) []string {
	replace := change.Actions.Replace()
	var found []difference
	switch {
	case change.Actions.Create():
		_, after := sides(change)
		if attributes, ok := known(after).(map[string]any); ok {
			delete(attributes, "tags_all") // the provider's are the same on every resource
			found = parts("", attributes)
		}
	case replace, change.Actions.Update():
		found = differencesOf(change)
		if len(found) == 0 {
			return []string{"!     (no value that can be shown becomes different)"}
		}
	}

	forcing := forcing(change)
	var text []string
	for _, d := range found {
		forces := slices.ContainsFunc(forcing, func(path string) bool { return within(d.path, path) || within(path, d.path) })
		// A new object gets new ids, and AWS's defaults where nothing is said.
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
			text[len(text)-1] = cut(text[len(text)-1], lineLength-len(mark)-len("...")) + mark
		}
	}
	return text
}

// within tells whether a path is another one, or a part of it.
func within(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], ".[ "))
}

// differencesOf is what differs between the two sides of a change, in the order of the paths.
func differencesOf(change *tfjson.Change) []difference {
	before, after := sides(change)
	found := compare("", before, after)
	// Tags are there twice, as they were written and with those of the provider.
	written := map[difference]bool{}
	for _, d := range found {
		written[d] = true
	}
	return slices.DeleteFunc(found, func(d difference) bool {
		rest, all := strings.CutPrefix(d.path, "tags_all")
		d.path = "tags" + rest
		return all && written[d]
	})
}

// compare walks through both sides of a value.
func compare(path string, before, after any) []difference {
	if reflect.DeepEqual(before, after) || empty(before) && empty(after) {
		return nil
	}
	oldObject, isObject := before.(map[string]any)
	newObject, becomesObject := after.(map[string]any)
	oldList, isList := before.([]any)
	newList, becomesList := after.([]any)
	oldLines, isText := before.(lines)
	newLines, becomesText := after.(lines)
	switch {
	case isObject && becomesObject:
		names := maps.Clone(oldObject)
		maps.Copy(names, newObject)
		var found []difference
		for _, name := range slices.Sorted(maps.Keys(names)) {
			found = append(found, compare(join(path, name), oldObject[name], newObject[name])...)
		}
		return found
	case isList && becomesList:
		return compareLists(oldList, newList, func(i int) string { return join(path, i) })
	case isText && becomesText:
		if removed, added := apart(oldLines, newLines); len(removed)+len(added) > textLength {
			return []difference{{path, compact(before), fmt.Sprintf("(%s, %d of them new)", count(len(newLines), "line"), len(added))}}
		}
		return compareLists(oldLines, newLines, func(i int) string { return fmt.Sprintf("%s line %d", path, i+1) })
	case (isObject || isList) && after != later{} || becomesObject || becomesList:
		gone := parts(path, before)
		for i := range gone {
			gone[i].before, gone[i].after = gone[i].after, ""
		}
		return append(gone, parts(path, after)...)
	}
	d := difference{path: path}
	if !empty(before) {
		d.before = compact(before)
	}
	if !empty(after) || d.before == "" {
		d.after = compact(after)
	}
	return []difference{d}
}

// compareLists sets aside the elements that both sides have. What is left is compared pair by pair, if each side has
// as many.
func compareLists(before, after []any, path func(i int) string) []difference {
	removed, added := apart(before, after)
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
			found = append(found, difference{path(j), "", fmt.Sprintf("%s (from %s)", compact(after[j]), path(i))})
			continue
		}
		found = append(found, compare(path(j), before[i], after[j])...)
	}
	return found
}

// parts is a value that is there on one side only: in one piece if that is short, else an object or a list of objects
// piece by piece.
func parts(path string, value any) []difference {
	if empty(value) {
		return nil
	}
	object, isObject := value.(map[string]any)
	list, isList := value.([]any)
	isList = isList && slices.ContainsFunc(list, func(each any) bool {
		kind := reflect.ValueOf(each).Kind()
		return kind == reflect.Map || kind == reflect.Slice
	})
	whole := compact(value)
	if path != "" && len(whole) <= objectLength || !isObject && !isList {
		return []difference{{path, "", whole}}
	}
	var found []difference
	for _, name := range slices.Sorted(maps.Keys(object)) {
		found = append(found, parts(join(path, name), object[name])...)
	}
	for i, each := range list {
		found = append(found, parts(join(path, i), each)...)
	}
	return found
}
