package packagecache

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A manifest names the types of a library, for the jsii kernel. Its schema:
// https://github.com/aws/jsii/blob/main/packages/%40jsii/spec/src/assembly.ts
const (
	manifestFile   = ".jsii"
	manifestSchema = "jsii/0.10.0"
)

// slim is a slimmed manifest.
type slim struct {
	json    []byte
	types   int
	statics []static // one of each submodule that has any
}

// static is a static property of a class.
type static struct{ fqn, property string }

// slimManifest leaves the documentation out of a manifest, and the submodules that are not wanted, with their types.
func slimManifest(ctx context.Context, content []byte, library string, wanted func(submodule string) bool) (*slim, error) {
	manifest, submodules, types := map[string]any{}, map[string]any{}, map[string]any{}
	keep := func(fqn string) bool { // "@cdktf/provider-aws.s3Bucket.S3Bucket"
		submodule, _, _ := strings.Cut(strings.TrimPrefix(fqn, library+"."), ".")
		return wanted(submodule)
	}
	all := func(string) bool { return true }

	// The decoder goes through the manifest once, because that has 120 MB.
	decoder := json.NewDecoder(interruptible{ctx, bytes.NewReader(content)})
	decoder.UseNumber()
	err := eachMember(decoder, func(key string) error {
		switch key {
		case "submodules":
			return eachMember(decoder, func(fqn string) error { return decodeMember(decoder, fqn, keep, submodules) })
		case "types":
			return eachMember(decoder, func(fqn string) error { return decodeMember(decoder, fqn, keep, types) })
		default:
			return decodeMember(decoder, key, all, manifest)
		}
	})
	if err != nil {
		return nil, err
	}
	if manifest["schema"] != manifestSchema || manifest["name"] != library || len(types) == 0 {
		return nil, fmt.Errorf("schema %v, name %v, %d types; not schema %s, name %s: this layout is not known",
			manifest["schema"], manifest["name"], len(types), manifestSchema, library)
	}
	for _, fqn := range references(types, library+".", nil) {
		if _, found := types[fqn]; !found {
			return nil, fmt.Errorf("a type that is imported uses %s, which is not: this layout is not known", fqn)
		}
	}

	delete(manifest, "readme")
	manifest["submodules"], manifest["types"] = withoutDocs(submodules), withoutDocs(types)
	out, err := json.Marshal(manifest) // sorted by key
	return &slim{json: out, types: len(types), statics: statics(types)}, err
}

// statics finds a static property in each submodule, such as a resource's tfResourceType.
func statics(types map[string]any) (found []static) {
	seen := map[string]bool{}
	for _, fqn := range slices.Sorted(maps.Keys(types)) {
		definition, _ := types[fqn].(map[string]any)
		submodule, _ := definition["namespace"].(string)
		properties, _ := definition["properties"].([]any)
		for _, property := range properties {
			property, _ := property.(map[string]any)
			name, _ := property["name"].(string)
			if property["static"] == true && !seen[submodule] {
				seen[submodule] = true
				found = append(found, static{fqn, name})
			}
		}
	}
	return found
}

// eachMember calls do with the key of each member of the object that comes next. What is called reads the value.
func eachMember(decoder *json.Decoder, do func(key string) error) error {
	if token, err := decoder.Token(); err != nil {
		return err
	} else if token != json.Delim('{') {
		return fmt.Errorf("%v where an object begins: this layout is not known", token)
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		if err := do(key.(string)); err != nil { // the key of a member is a string
			return err
		}
	}
	_, err := decoder.Token()
	return err
}

// decodeMember reads the value that comes next, and keeps it where it is wanted.
func decodeMember(decoder *json.Decoder, key string, wanted func(string) bool, into map[string]any) error {
	if !wanted(key) {
		var passed json.RawMessage
		return decoder.Decode(&passed)
	}
	var value any
	err := decoder.Decode(&value)
	into[key] = value
	return err
}

// withoutDocs removes what documents a type or a submodule, at any depth. The kernel does not read it.
func withoutDocs(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range []string{"docs", "readme", "locationInModule", "symbolId"} {
			delete(value, key)
		}
		for _, member := range value {
			withoutDocs(member)
		}
	case []any:
		for _, element := range value {
			withoutDocs(element)
		}
	}
	return value
}

// references appends the types that a part of a manifest names: as "fqn", "base" and in "interfaces".
func references(value any, prefix string, to []string) []string {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			switch key {
			case "fqn", "base", "interfaces":
				to = named(member, prefix, to)
			default:
				to = references(member, prefix, to)
			}
		}
	case []any:
		for _, element := range value {
			to = references(element, prefix, to)
		}
	}
	return to
}

func named(value any, prefix string, to []string) []string {
	switch value := value.(type) {
	case string:
		if strings.HasPrefix(value, prefix) {
			to = append(to, value)
		}
	case []any:
		for _, element := range value {
			to = named(element, prefix, to)
		}
	}
	return to
}
