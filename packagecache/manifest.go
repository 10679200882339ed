package packagecache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A manifest names the types of a library, for the jsii kernel. Its schema:
// https://github.com/aws/jsii/blob/main/packages/%40jsii/spec/src/assembly.ts
const (
	manifestFile   = ".jsii"
	manifestSchema = "jsii/0.10.0"
)

// slimManifest leaves the documentation out of a manifest, and the submodules that are not wanted, with their types. It
// returns how many types are left.
func slimManifest(content []byte, library string, wanted func(submodule string) bool) (slim []byte, count int, err error) {
	manifest, submodules, types := map[string]any{}, map[string]any{}, map[string]any{}
	keep := func(fqn string) bool { // "@cdktf/provider-aws.s3Bucket.S3Bucket"
		submodule, _, _ := strings.Cut(strings.TrimPrefix(fqn, library+"."), ".")
		return wanted(submodule)
	}
	all := func(string) bool { return true }

	// The decoder goes through the manifest once, because that has 120 MB.
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	err = eachMember(decoder, func(key string) error {
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
		return nil, 0, err
	}
	if manifest["schema"] != manifestSchema || manifest["name"] != library || len(types) == 0 {
		return nil, 0, fmt.Errorf("schema %v, name %v, %d types; not schema %s, name %s: this layout is not known",
			manifest["schema"], manifest["name"], len(types), manifestSchema, library)
	}
	for _, fqn := range references(types, library+".", nil) {
		if _, found := types[fqn]; !found {
			return nil, 0, fmt.Errorf("a type that is imported uses %s, which is not: this layout is not known", fqn)
		}
	}

	delete(manifest, "readme")
	manifest["submodules"], manifest["types"] = withoutDocs(submodules), withoutDocs(types)
	slim, err = json.Marshal(manifest) // sorted by key
	return slim, len(types), err
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

// references appends the types of the library that a part of its manifest names.
func references(value any, prefix string, to []string) []string {
	switch value := value.(type) {
	case map[string]any:
		if fqn, _ := value["fqn"].(string); strings.HasPrefix(fqn, prefix) {
			to = append(to, fqn)
		}
		if base, _ := value["base"].(string); strings.HasPrefix(base, prefix) {
			to = append(to, base)
		}
		for _, member := range value {
			to = references(member, prefix, to)
		}
	case []any:
		for _, element := range value {
			to = references(element, prefix, to)
		}
	}
	return to
}
