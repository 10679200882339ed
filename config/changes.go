package config

import (
	"reflect"
	"strings"
)

// The classes of a change of a key on a deployed environment, which the tags `change:"CLASS"` and `change:"CLASS: WHAT"` contain.
const (
	// Free is a change in place, without an interruption.
	Free = "free"
	// Rolls is a change that replaces the instances one by one. The site answers meanwhile.
	Rolls = "rolls"
	// Interrupts is a change in place that interrupts something for a time.
	Interrupts = "interrupts"
	// Refused is a change that a deploy refuses before anything is touched.
	Refused = "refused"
)

// Changes returns what a change of each key does to a deployed environment, by the key's path: "network.availabilityZones[].name".
func Changes() map[string]string {
	changes := map[string]string{}
	addChanges(changes, "", reflect.TypeFor[Environment]())
	return changes
}

// Removals returns what the removal of each optional component does to a deployed environment, by its key: "network.privateOrigin".
func Removals() map[string]string {
	removals := map[string]string{}
	addRemovals(removals, "", reflect.TypeFor[Environment]())
	return removals
}

func addRemovals(removals map[string]string, prefix string, of reflect.Type) {
	for _, field := range reflect.VisibleFields(of) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if removal := field.Tag.Get("removal"); removal != "" {
			removals[prefix+key] = removal
		}
		kind := field.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		if kind.Kind() == reflect.Struct {
			addRemovals(removals, prefix+key+".", kind)
		}
	}
}

func addChanges(changes map[string]string, prefix string, of reflect.Type) {
	for _, field := range reflect.VisibleFields(of) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		kind := field.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		switch {
		case key == "-":
		case kind.Kind() == reflect.Struct:
			addChanges(changes, prefix+key+".", kind)
		default:
			changes[prefix+key] = field.Tag.Get("change")
			if kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct {
				addChanges(changes, prefix+key+"[].", kind.Elem())
			}
		}
	}
}
