package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a parsed environment file, which remembers where each value stands.
type document struct {
	file     string
	value    any                   // in JSON's terms: map[string]any, []any, string, int, float64, bool, nil
	nodes    map[string]*yaml.Node // by path: network.availabilityZones[1].name
	keys     map[string]*yaml.Node // the key of the value at that path
	mistakes Mistakes
}

// yamlErrorLine finds the line in the messages of the YAML library: "yaml: line 3: did not find ...".
var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// parse reads one YAML document. What it finds wrong is in the document's mistakes.
func parse(file string, content []byte) *document {
	d := &document{file: file, nodes: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}}
	decoder := yaml.NewDecoder(bytes.NewReader(content))

	var root yaml.Node
	err := decoder.Decode(&root)
	switch {
	case errors.Is(err, io.EOF) || err == nil && isNull(root.Content[0]):
		d.mistake(nil, "", "is empty; an environment needs at least its account")
		return d
	case err != nil:
		line, message := 0, err.Error()
		if m := yamlErrorLine.FindStringSubmatch(message); m != nil {
			line, _ = strconv.Atoi(m[1])
			message = m[2]
			if strings.HasPrefix(message, "did not find expected") { // the library counts these lines from 0
				line++
			}
		}
		d.mistake(&yaml.Node{Line: line, Column: 1}, "", "is not YAML: "+message)
		return d
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		d.mistake(nil, "", "holds more than one YAML document; an environment is one file")
		return d
	}
	d.value = d.convert(root.Content[0], "")
	return d
}

// maxPath is far more than any path has, in bytes; without it, a deep enough nesting would fill the memory with paths.
const maxPath = 1000

// convert turns a node into JSON's terms. It refuses what hides a value from the reader: aliases, and keys
// that stand twice.
func (d *document) convert(node *yaml.Node, path string) any {
	d.nodes[path] = node
	if len(path) > maxPath {
		d.mistake(node, "", "is nested too deeply; no key of an environment lies deeper than network.availabilityZones[0].name")
		return nil
	}
	switch node.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			at := join(path, key.Value)
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				d.mistake(key, path, "a key is a plain word here; merges and structured keys are not supported")
				continue
			}
			if _, twice := object[key.Value]; twice {
				d.mistake(key, at, fmt.Sprintf("stands twice; it is also on line %d", d.keys[at].Line))
				continue
			}
			d.keys[at] = key
			object[key.Value] = d.convert(value, at)
		}
		return object
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, item := range node.Content {
			list[i] = d.convert(item, path+"["+strconv.Itoa(i)+"]")
		}
		return list
	case yaml.AliasNode:
		d.mistake(node, path, "*"+node.Value+" is an alias; write the value out")
		return nil
	}
	return d.scalar(node, path)
}

func (d *document) scalar(node *yaml.Node, path string) any {
	var err error
	switch node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var v bool
		if err = node.Decode(&v); err == nil {
			return v
		}
	case "!!int":
		var v int
		if err = node.Decode(&v); err == nil {
			return v
		}
	case "!!float":
		var v float64
		if err = node.Decode(&v); err == nil && !isJSONNumber(v) {
			err = fmt.Errorf("%s is not a number that JSON knows", node.Value)
		}
		if err == nil {
			return v
		}
	default: // strings, and what YAML takes for dates
		if strings.Contains(node.Value, "${") || strings.Contains(node.Value, "%{") {
			d.mistake(node, path, fmt.Sprintf("%q holds Terraform's template syntax; write the value itself", node.Value))
		}
		return node.Value
	}
	d.mistake(node, path, fmt.Sprintf("%q: %v", node.Value, err))
	return nil
}

func isJSONNumber(f float64) bool { return f-f == 0 } // false for infinities and NaN

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

// mistake records what is wrong at a node; a nil node means the whole file.
func (d *document) mistake(node *yaml.Node, path, message string) {
	m := Mistake{File: d.file, Path: path, Message: message}
	if node != nil {
		m.Line, m.Column = node.Line, node.Column
	}
	d.mistakes = append(d.mistakes, m)
}

// mistakeAt records what is wrong with the value at a path. A value that only a default gives is reported at the
// nearest thing around it that the file does say.
func (d *document) mistakeAt(path, message string) {
	for at := path; ; at = parent(at) {
		if node, ok := d.nodes[at]; ok {
			d.mistake(node, path, message)
			return
		}
		if at == "" {
			d.mistake(nil, path, message)
			return
		}
	}
}

// join appends a key to a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent cuts the last part off a path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// first is the first part of a path: the block, or the key, at the top of the file.
func first(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}
