// Package tfstring writes Go values into Terraform strings.
package tfstring

import (
	"bytes"
	"encoding/json"
	"strings"
)

// JSON is a value as one line of JSON. References to resources may stand in its strings: Terraform fills them in.
// The value is made of strings, numbers, lists and structs, so that it always encodes; anything else panics.
func JSON(value any) *string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // a reference may hold any character
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
