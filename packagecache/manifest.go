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

// The manifest describes the types of a library to the jsii kernel. Its schema:
// https://github.com/aws/jsii/blob/main/packages/%40jsii/spec/src/assembly.ts
const (
	manifestFile   = ".jsii"
	manifestSchema = "jsii/0.10.0"
)

// manifest is a slimmed manifest.
type manifest struct {
	json    []byte
	types   int
	statics []staticProperty // one for each submodule that has any
}

// staticProperty is a static property of a class.
type staticProperty struct{ fqn, property string }

// slimManifest returns the manifest of a library without documentation, with only the wanted submodules and their types.
func slimManifest(ctx context.Context, content []byte, library string, isWanted func(submodule string) bool) (*manifest, error) {
	fields, submodules, types := map[string]any{}, map[string]any{}, map[string]any{}
	isWantedType := func(fqn string) bool { // such as "@cdktf/provider-aws.s3Bucket.S3Bucket"
		submodule, _, _ := strings.Cut(strings.TrimPrefix(fqn, library+"."), ".")
		return isWanted(submodule)
	}
	all := func(string) bool { return true }

	// The decoder reads the manifest only once and skips most of it, because it has 120 MB.
	decoder := json.NewDecoder(contextReader{ctx, bytes.NewReader(content)})
	decoder.UseNumber()
	err := eachMember(decoder, func(key string) error {
		switch key {
		case "submodules":
			return eachMember(decoder, func(fqn string) error { return decodeMember(decoder, fqn, isWantedType, submodules) })
		case "types":
			return eachMember(decoder, func(fqn string) error { return decodeMember(decoder, fqn, isWantedType, types) })
		default:
			return decodeMember(decoder, key, all, fields)
		}
	})
	if err != nil {
		return nil, err
	}
	if fields["schema"] != manifestSchema || fields["name"] != library || len(types) == 0 {
		return nil, fmt.Errorf("got schema %v, name %v, %d types, want schema %s, name %s: unsupported layout",
			fields["schema"], fields["name"], len(types), manifestSchema, library)
	}
	for _, fqn := range findReferences(types, library+".", nil) {
		if _, found := types[fqn]; !found {
			return nil, fmt.Errorf("an imported type refers to %s, which is not imported: unsupported layout", fqn)
		}
	}

	delete(fields, "readme")
	fields["submodules"], fields["types"] = removeDocs(submodules), removeDocs(types)
	out, err := json.Marshal(fields) // sorted by key
	return &manifest{json: out, types: len(types), statics: findStatics(types)}, err
}

// findStatics finds a static property in each submodule, such as tfResourceType of a resource.
func findStatics(types map[string]any) (found []staticProperty) {
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
				found = append(found, staticProperty{fqn, name})
			}
		}
	}
	return found
}

// eachMember reads the next value, which must be an object, and calls do with the key of each member. do must read the value.
func eachMember(decoder *json.Decoder, do func(key string) error) error {
	if token, err := decoder.Token(); err != nil {
		return err
	} else if token != json.Delim('{') {
		return fmt.Errorf("got %v, want an object: unsupported layout", token)
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

// decodeMember reads the next value and, if its key is wanted, adds it to members.
func decodeMember(decoder *json.Decoder, key string, isWanted func(string) bool, members map[string]any) error {
	if !isWanted(key) {
		var skipped json.RawMessage
		return decoder.Decode(&skipped)
	}
	var value any
	err := decoder.Decode(&value)
	members[key] = value
	return err
}

// removeDocs removes the documentation of types and submodules, at any depth, and returns value. The kernel does not read it.
func removeDocs(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range []string{"docs", "readme", "locationInModule", "symbolId"} {
			delete(value, key)
		}
		for _, member := range value {
			removeDocs(member)
		}
	case []any:
		for _, element := range value {
			removeDocs(element)
		}
	}
	return value
}

// findReferences appends to found the types with the prefix that a part of a manifest refers to: in "fqn", "base" and "interfaces".
func findReferences(value any, prefix string, found []string) []string {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			switch key {
			case "fqn", "base", "interfaces":
				found = appendTypes(member, prefix, found)
			default:
				found = findReferences(member, prefix, found)
			}
		}
	case []any:
		for _, element := range value {
			found = findReferences(element, prefix, found)
		}
	}
	return found
}

// appendTypes appends a type, or a list of types, with the prefix to found.
func appendTypes(value any, prefix string, found []string) []string {
	switch value := value.(type) {
	case string:
		if strings.HasPrefix(value, prefix) {
			found = append(found, value)
		}
	case []any:
		for _, element := range value {
			found = appendTypes(element, prefix, found)
		}
	}
	return found
}
