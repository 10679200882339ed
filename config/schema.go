package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:generate go run ./schema schema.json ../docs/configuration.md ../docs/components.md

// schemaJSON is generated from Environment and Default by ./schema; a test keeps it current.
//
//go:embed schema.json
var schemaJSON []byte

// schema is the compiled form of schemaJSON.
var schema = sync.OnceValue(func() *jsonschema.Schema {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaJSON))
	if err != nil {
		panic(fmt.Sprintf("config/schema.json: %v", err)) // embedded and tested: cannot happen in a build that passed
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.RegisterFormat(&jsonschema.Format{Name: "ipv4-cidr", Validate: validateCIDR})
	compiler.RegisterFormat(&jsonschema.Format{Name: "content-security-policy", Validate: validateContentSecurityPolicy})
	if err := compiler.AddResource("schema.json", document); err != nil {
		panic(fmt.Sprintf("config/schema.json: %v", err))
	}
	return compiler.MustCompile("schema.json")
})

// validateCIDR accepts an IPv4 range without host bits, 10.0.0.0/16. AWS changes 10.0.0.1/16 to
// 10.0.0.0/16 (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html), and the provider refuses it
// (https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/verify/validate.go).
func validateCIDR(v any) error {
	text, ok := v.(string)
	if !ok {
		return nil // the type is reported by itself
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !prefix.Addr().Is4():
		return fmt.Errorf("is not an IPv4 range such as 10.0.0.0/16")
	case prefix.Masked() != prefix:
		return fmt.Errorf("has host bits; the range is %s", prefix.Masked())
	}
	return nil
}

// schemaNode is the part of schemaJSON that messages use.
type schemaNode struct {
	Description string                `json:"description"`
	Enum        []any                 `json:"enum"`
	Properties  map[string]schemaNode `json:"properties"`
	Items       *schemaNode           `json:"items"`
}

var schemaTree = sync.OnceValue(func() schemaNode {
	var root schemaNode
	if err := json.Unmarshal(schemaJSON, &root); err != nil {
		panic(fmt.Sprintf("config/schema.json: %v", err))
	}
	return root
})

// schemaAt is the schema of the value at a path, or the zero node if the schema has none.
func schemaAt(path []string) schemaNode {
	node := schemaTree()
	for _, key := range path {
		if node.Items != nil {
			node = *node.Items
		} else {
			node = node.Properties[key]
		}
	}
	return node
}
