// Command schema writes the JSON Schema of an environment file, for editors and for the program itself, and the table
// of its keys, for readers.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/starttech/infrastructure/config"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: schema SCHEMA.json TABLE.md COMPONENTS.md")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func write(schemaFile, tableFile, componentsFile string) error {
	schema, components, err := Generate()
	if err != nil {
		return err
	}
	page, err := os.ReadFile(componentsFile)
	if err != nil {
		return err
	}
	withTable, err := replaceTable(string(page), components)
	if err != nil {
		return fmt.Errorf("%s: %w", componentsFile, err)
	}
	if err := os.WriteFile(componentsFile, []byte(withTable), 0o644); err != nil {
		return err
	}
	content, err := encode(schema)
	if err != nil {
		return err
	}
	if err := os.WriteFile(schemaFile, content, 0o644); err != nil {
		return err
	}
	return os.WriteFile(tableFile, []byte(table(schema)), 0o644)
}

// Generate is the schema of config.Environment, with the comments of its fields as descriptions and the values of
// config.WithOptionalBlocks as defaults, and the optional components. It reads the comments from the working directory, which has to be
// config/.
func Generate() (*jsonschema.Schema, []component, error) {
	reflector := jsonschema.Reflector{Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true}
	if err := reflector.AddGoComments("github.com/starttech/infrastructure/config", "."); err != nil {
		return nil, nil, err
	}
	root := reflector.Reflect(config.Environment{})
	root.Title = "StartTech environment"
	components, err := componentsOf(root, "")
	if err != nil {
		return nil, nil, err
	}
	joinLines(root)

	content, err := json.Marshal(config.WithOptionalBlocks())
	if err != nil {
		return nil, nil, err
	}
	var defaults map[string]any
	if err := json.Unmarshal(content, &defaults); err != nil {
		return nil, nil, err
	}
	addDefaults(root, defaults)
	return root, components, nil
}

// joinLines makes one line of every description. A Go comment is broken into lines, and its later paragraphs are for who changes the code.
func joinLines(schema *jsonschema.Schema) {
	description, _, _ := strings.Cut(schema.Description, "\n\n")
	schema.Description = strings.Join(strings.Fields(description), " ")
	for pair := schema.Properties.Oldest(); pair != nil; pair = pair.Next() {
		joinLines(pair.Value)
	}
	if schema.Items != nil {
		joinLines(schema.Items)
	}
}

func encode(schema *jsonschema.Schema) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(schema)
	return out.Bytes(), err
}

// addDefaults sets the default of every property that is not an object and not required.
func addDefaults(schema *jsonschema.Schema, defaults map[string]any) {
	required := map[string]bool{}
	for _, key := range schema.Required {
		required[key] = true
	}
	for pair := schema.Properties.Oldest(); pair != nil; pair = pair.Next() {
		value, ok := defaults[pair.Key]
		if nested, isObject := value.(map[string]any); isObject {
			addDefaults(pair.Value, nested)
		} else if ok && !required[pair.Key] {
			pair.Value.Default = value
		}
	}
}
