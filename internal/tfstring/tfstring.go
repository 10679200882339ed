// Package tfstring writes Go values into Terraform strings.
package tfstring

import (
	"bytes"
	"encoding/json"
	"strings"
)

// JSON encodes a value as one line of JSON. Its strings may contain references to resources, which Terraform resolves. A
// value that encoding/json cannot encode is a bug, and panics.
func JSON(value any) *string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // a reference may contain any character
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	text := string(bytes.TrimSpace(out.Bytes()))
	return &text
}

// Escape returns a string that Terraform does not interpret: ${ and %{ would begin a template
// (https://developer.hashicorp.com/terraform/language/expressions/strings#escape-sequences).
func Escape(s string) *string {
	text := strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s)
	return &text
}
