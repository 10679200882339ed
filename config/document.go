package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document is a parsed environment file, with the position of each value.
type document struct {
	file     string
	value    any                   // as of JSON: map[string]any, []any, string, int, float64, bool, nil
	nodes    map[string]*yaml.Node // by path: network.availabilityZones[1].name
	keys     map[string]*yaml.Node // the key of the value at that path
	problems Problems
}

// yamlErrorLine finds the line in an error of the YAML library: "yaml: line 3: did not find ...".
var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// unknownAlias finds the name in the library's error about an alias of nothing, which has no line.
var unknownAlias = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced$`)

// parse reads one YAML document. Whatever is wrong is in its problems.
func parse(file string, content []byte) *document {
	d := &document{file: file, nodes: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}}
	if at, ok := unreadable(content); ok {
		d.problem(at, "", "is not text in UTF-8, or has a control character")
		return d
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))

	var root yaml.Node
	err := decoder.Decode(&root)
	switch {
	case errors.Is(err, io.EOF) || err == nil && isNull(root.Content[0]):
		d.problem(nil, "", "is empty; an environment needs at least its account and repositories")
		return d
	case err != nil:
		line, message := 0, err.Error()
		if m := unknownAlias.FindStringSubmatch(message); m != nil {
			d.problem(positionOf(content, "*"+m[1]), "", "*"+m[1]+" is an alias; write the value out")
			return d
		}
		if m := yamlErrorLine.FindStringSubmatch(message); m != nil {
			line, _ = strconv.Atoi(m[1])
			message = m[2]
			if strings.HasPrefix(message, "did not find expected") { // the library counts these lines from 0
				line++
			}
		}
		d.problem(&yaml.Node{Line: line, Column: 1}, "", "is not YAML: "+message)
		return d
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		d.problem(&second, "", "contains more than one YAML document; write one environment per file")
		return d
	}
	d.value = d.convert(root.Content[0], "")
	return d
}

// positionOf returns the position of the first text in content that is not in a comment.
func positionOf(content []byte, text string) *yaml.Node {
	for i, line := range strings.Split(string(content), "\n") {
		code, _, _ := strings.Cut(line, "#")
		if column := strings.Index(code, text); column >= 0 {
			return &yaml.Node{Line: i + 1, Column: utf8.RuneCountInString(code[:column]) + 1}
		}
	}
	return nil
}

// unreadable returns the position of the first byte that is not UTF-8 or is a control character, which YAML does not allow
// (https://yaml.org/spec/1.2.2/#51-character-set), if there is one. It also refuses what some editors show as a line break and some as
// none, so that a comment does not seem to go on: U+0085, U+2028, U+2029, and a carriage return without a line feed.
func unreadable(content []byte) (at *yaml.Node, found bool) {
	at = &yaml.Node{Line: 1, Column: 1}
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		switch {
		case r == utf8.RuneError && size == 1, unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r),
			r == '\u2028', r == '\u2029', r == '\r' && !bytes.HasPrefix(content, []byte("\r\n")):
			return at, true
		case r == '\n':
			at.Line, at.Column = at.Line+1, 0
		}
		at.Column++
		content = content[size:]
	}
	return nil, false
}

// maxPath is in bytes, far more than any valid path has. Without a limit, deep nesting would fill the memory with paths.
const maxPath = 1000

// convert turns a node into JSON values. It refuses what hides a value from the reader: aliases, tags and duplicate keys.
func (d *document) convert(node *yaml.Node, path string) any {
	d.nodes[path] = node
	if len(path) > maxPath {
		d.problem(node, "", "is nested too deeply; the deepest key of an environment is network.availabilityZones[0].name")
		return nil
	}
	if node.Style&yaml.TaggedStyle != 0 {
		d.problem(node, path, node.Tag+" is a tag; write the value without it")
		return nil
	}
	switch node.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			at := join(path, key.Value)
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				d.problem(key, path, "a key must be a plain string; merge keys and complex keys are not supported")
				continue
			}
			if _, twice := object[key.Value]; twice {
				d.problem(key, at, fmt.Sprintf("is duplicated; it is also on line %d", d.keys[at].Line))
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
		d.problem(node, path, "*"+node.Value+" is an alias; write the value out")
		return nil
	}
	return d.scalar(node, path)
}

// plainNumber is what every version of YAML and every editor reads as the same number. 017, 0x1F, 1_000 and 1e3 are not
// (https://yaml.org/spec/1.2.2/#1032-tag-resolution, https://yaml.org/type/int.html).
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

func (d *document) scalar(node *yaml.Node, path string) any {
	var err error
	if tag := node.ShortTag(); (tag == "!!int" || tag == "!!float") && isFiniteText(node.Value) && !plainNumber.MatchString(node.Value) {
		d.problem(node, path, node.Value+" is not a plain decimal number; write it without prefix, underscore, exponent and leading zero, or in quotes if it is text")
		return nil
	}
	switch node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var v bool
		if err = node.Decode(&v); err == nil {
			return v
		}
	case "!!int", "!!float":
		if v, err := strconv.Atoi(node.Value); err == nil {
			return v
		}
		var v float64 // also of a number that is too large for an int, and so for the schema
		if err = node.Decode(&v); err == nil && !isFinite(v) {
			err = fmt.Errorf("%s is not a finite number", node.Value)
		}
		if err == nil {
			return v
		}
	default: // strings, and what YAML calls timestamps
		// Terraform evaluates templates in every string (https://developer.hashicorp.com/terraform/language/expressions/strings#string-templates).
		if strings.Contains(node.Value, "${") || strings.Contains(node.Value, "%{") {
			d.problem(node, path, fmt.Sprintf("%q contains Terraform's template syntax; write the value itself", node.Value))
		}
		return node.Value
	}
	d.problem(node, path, fmt.Sprintf("%q: %v", node.Value, err))
	return nil
}

func isFinite(f float64) bool { return f-f == 0 }

// isFiniteText reports whether a number is written in digits: .inf and .nan are not.
func isFiniteText(text string) bool { return strings.ContainsAny(text, "0123456789") }

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

// problem records what is wrong at a node; nil is the whole file.
func (d *document) problem(node *yaml.Node, path, message string) {
	p := Problem{File: d.file, Path: path, Message: message}
	if node != nil {
		p.Line, p.Column = node.Line, node.Column
	}
	d.problems = append(d.problems, p)
}

// problemAt records what is wrong with the value at a path. If the file does not set that value, the problem has the
// position of the nearest value around it that the file sets.
func (d *document) problemAt(path, message string) {
	for at := path; ; at = parent(at) {
		if node, ok := d.nodes[at]; ok {
			d.problem(node, path, message)
			return
		}
		if at == "" {
			d.problem(nil, path, message)
			return
		}
	}
}

// place is a path in a document, for the rules of a block to report problems at.
type place struct {
	document *document
	path     string
}

func (p place) key(name string) place { return place{p.document, join(p.path, name)} }

func (p place) item(i int) place { return place{p.document, p.path + "[" + strconv.Itoa(i) + "]"} }

// problem reports what is wrong with the value at the path. The message begins with the value.
func (p place) problem(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if !p.isSet() {
		message = "the default " + message
	}
	p.document.problemAt(p.path, message)
}

// isSet reports whether the file sets the value at the path.
func (p place) isSet() bool { return p.document.nodes[p.path] != nil }

// other is the value at the path in a message about another value: 5, or "the default 5".
func (p place) other(value any) string {
	if p.isSet() {
		return fmt.Sprint(value)
	}
	return fmt.Sprintf("the default %v", value)
}

// file reports what is wrong with the file as a whole.
func (p place) file(format string, args ...any) {
	p.document.problem(nil, "", fmt.Sprintf(format, args...))
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

// topLevel is the first part of a path: the block or the key at the top of the file.
func topLevel(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}
