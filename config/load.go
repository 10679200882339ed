package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
)

// maxSize of an environment file is in bytes. One with every key has less than 5 kB.
const maxSize = 1 << 20

// Load reads every *.yaml and *.yml file of a directory, in the order of their names, except hidden ones. *.YAML is a problem. The files have to be
// regular ones, or links to such, of at most 1 MB. The error is Problems, with everything that is wrong in all files, or says why the directory
// cannot be read.
func Load(dir string) ([]Environment, error) {
	documents, environments, err := read(dir)
	if err != nil {
		return nil, err
	}
	return valid(documents, environments)
}

// LoadForSynthesis is Load, and fails if a time of a scheduled action is over: AWS refuses it. The commands that operate an environment do not
// depend on the clock.
func LoadForSynthesis(dir string) ([]Environment, error) {
	documents, environments, err := read(dir)
	if err != nil {
		return nil, err
	}
	for i, e := range environments {
		if e.Schedule != nil {
			e.Schedule.checkPast(place{documents[i], "schedule"}, time.Now())
		}
	}
	return valid(documents, environments)
}

// valid returns the environments if none of their documents has a problem.
func valid(documents []*document, environments []Environment) ([]Environment, error) {
	var problems Problems
	for _, d := range documents {
		problems = append(problems, d.problems...)
	}
	if len(problems) > 0 {
		return nil, problems.sorted()
	}
	return environments, nil
}

// read reads and checks the files of a directory. The environments are complete only if no document has a problem.
func read(dir string) (documents []*document, environments []Environment, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: no such directory; run this in the directory that contains environments/", dir)
	} else if err != nil {
		return nil, nil, fmt.Errorf("read environments: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") { // an editor's or macOS's own
			continue
		}
		extension := filepath.Ext(entry.Name())
		lower := strings.ToLower(extension)
		if lower != ".yaml" && lower != ".yml" {
			continue
		}
		file := filepath.Join(dir, entry.Name())
		content, problem, err := readFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("read environments: %w", err)
		}
		if extension != lower {
			problem = "the extension is .yaml or .yml, in lower case"
		}
		if problem != "" {
			d := &document{file: file}
			d.problem(nil, "", problem)
			documents, environments = append(documents, d), append(environments, environmentOf(file))
			continue
		}
		d, environment := load(file, content)
		documents, environments = append(documents, d), append(environments, environment)
	}
	if len(documents) == 0 {
		return nil, nil, fmt.Errorf("%s: contains no environment; add at least one NAME.yaml", dir)
	}
	checkTogether(documents, environments)
	return documents, environments, nil
}

// readFile reads an environment file. If it is not a regular file or too long, it is not read, and problem says so: reading a named
// pipe or a device may never end.
func readFile(name string) (content []byte, problem string, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, "", err
	case !info.Mode().IsRegular():
		return nil, "is " + kindOf(info.Mode()) + "; an environment is a regular file", nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	content, err = io.ReadAll(io.LimitReader(file, maxSize+1))
	if len(content) > maxSize {
		return nil, "has more than 1 MB; the environment files of this project have a few kB", nil
	}
	return content, "", err
}

// kindOf is what a file is that is not a regular one.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a regular file"
}

// environmentOf is the environment of an empty file.
func environmentOf(file string) Environment {
	environment := Default()
	base := filepath.Base(file)
	environment.Name = strings.TrimSuffix(base, filepath.Ext(base))
	return environment
}

// load reads one file. The environment is complete only if the document has no problems.
func load(file string, content []byte) (*document, Environment) {
	environment := environmentOf(file)
	d := parse(file, content)
	if len(d.problems) > 0 {
		return d, environment
	}
	d.checkSchema()
	if blocks, ok := d.value.(map[string]any); ok {
		// The rules check the blocks that the schema accepts, so that all problems are reported together.
		invalid := map[string]bool{}
		for _, p := range d.problems {
			invalid[topLevel(p.Path)] = true
			delete(blocks, topLevel(p.Path))
		}
		d.decode(&environment)
		environment.check(place{d, ""}, invalid)
	}
	return d, environment
}

// decode writes the document's values over the defaults. The schema has accepted them, so that an error here is a bug of
// the schema.
func (d *document) decode(environment *Environment) {
	blocks, _ := d.value.(map[string]any)
	values, optional := reflect.ValueOf(environment).Elem(), reflect.ValueOf(WithOptionalBlocks())
	for _, field := range reflect.VisibleFields(values.Type()) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, ok := blocks[key]; ok && field.Type.Kind() == reflect.Pointer {
			values.FieldByIndex(field.Index).Set(optional.FieldByIndex(field.Index))
		}
	}
	if cache, _ := blocks["cache"].(map[string]any); cache["engine"] == "valkey" {
		environment.Cache.EngineVersion = valkeyVersion
	}
	content, err := json.Marshal(d.value)
	if err == nil {
		err = json.Unmarshal(content, environment)
	}
	if err != nil {
		d.problem(nil, "", err.Error())
		return
	}
	environment.Frontend.ContentSecurityPolicy = trimPolicy(environment.Frontend.ContentSecurityPolicy)
	if at, ok := d.nodes["account"]; ok {
		environment.AccountPosition = fmt.Sprintf("%s:%d:%d", d.file, at.Line, at.Column)
	}
}

// checkSchema reports every value that does not satisfy the schema.
func (d *document) checkSchema() {
	var invalid *jsonschema.ValidationError
	if errors.As(schema().Validate(d.value), &invalid) {
		d.report(invalid)
	}
}

func (d *document) report(err *jsonschema.ValidationError) {
	for _, cause := range err.Causes {
		d.report(cause)
	}
	if len(err.Causes) > 0 {
		return
	}
	path := pathOf(d.value, err.InstanceLocation)
	node := schemaAt(err.InstanceLocation)

	switch k := err.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		allowed := slices.Sorted(maps.Keys(node.Properties))
		slices.Sort(k.Properties)
		for _, key := range k.Properties {
			at := join(path, key)
			d.problem(d.keys[at], at, "unknown key; "+didYouMean(key, allowed)+"allowed: "+strings.Join(allowed, ", "))
		}
	case *kind.Required:
		for _, key := range k.Missing {
			d.problemAt(join(path, key), "missing; "+node.Properties[key].Description)
		}
	default:
		d.problemAt(path, d.describe(path, node, k))
	}
}

// didYouMean suggests the allowed key that is at most two edits away, as Terraform does
// (https://github.com/hashicorp/terraform/blob/main/internal/didyoumean/name_suggestion.go).
func didYouMean(key string, allowed []string) string {
	for _, other := range allowed {
		if levenshtein.Distance(strings.ToLower(key), strings.ToLower(other), nil) <= 2 {
			return "did you mean " + other + "? "
		}
	}
	return ""
}

// describe says in one line what the value at a path is and what is allowed there.
func (d *document) describe(path string, node schemaNode, k jsonschema.ErrorKind) string {
	got := d.got(path)
	switch k := k.(type) {
	case *kind.Type:
		hint := ""
		switch allowed := values(node.Enum); {
		case len(allowed) > 0 && !slices.Contains(allowed, got):
			hint = "; allowed: " + strings.Join(allowed, ", ")
		case k.Got != "null" && slices.Contains(k.Want, "string"):
			hint = "; put it in quotes"
		}
		return fmt.Sprintf("%s is %s, not %s%s", got, article(k.Got), article(strings.Join(k.Want, " or ")), hint)
	case *kind.Enum:
		return fmt.Sprintf("%s is not one of %s", got, strings.Join(values(k.Want), ", "))
	case *kind.Minimum:
		return fmt.Sprintf("%s is below the minimum, %s", got, k.Want.RatString())
	case *kind.Maximum:
		return fmt.Sprintf("%s is above the maximum, %s", got, k.Want.RatString())
	case *kind.MinItems:
		return fmt.Sprintf("has %s; the minimum is %d", items(k.Got), k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has %s; the maximum is %d", items(k.Got), k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("%s is %d characters long; the maximum is %d", got, k.Got, k.Want)
	case *kind.UniqueItems:
		return fmt.Sprintf("item %d is the same as item %d", k.Duplicates[1]+1, k.Duplicates[0]+1)
	case *kind.Format:
		if k.Want == "email" {
			return fmt.Sprintf("%s is not an e-mail address", got)
		}
		return fmt.Sprintf("%s %v", got, k.Err)
	case *kind.Pattern:
		message := fmt.Sprintf("%s does not match %s", got, k.Want)
		if node.Description != "" {
			message += " (" + firstClause(node.Description) + ")"
		}
		return message
	}
	return fmt.Sprintf("%s is not allowed: %v", got, k)
}

// values are the values of an enum, as in a file.
func values(enum []any) []string {
	texts := make([]string, len(enum))
	for i, value := range enum {
		texts[i] = fmt.Sprint(value)
	}
	return texts
}

var clauseEnd = regexp.MustCompile(`: |[.;] |\.$`)

// firstClause is the first clause of a description, which says what the value is.
func firstClause(description string) string {
	return clauseEnd.Split(description, 2)[0]
}

// got is a value as the file has it: a string in quotes, a number or a word as it is, a collection by its kind.
func (d *document) got(path string) string {
	node, ok := d.nodes[path]
	switch {
	case !ok:
		return "this value"
	case node.Kind != yaml.ScalarNode || isNull(node):
		return "this value"
	case node.ShortTag() == "!!str":
		return strconv.Quote(node.Value)
	}
	return node.Value
}

// pathOf formats a location: network.availabilityZones[1].name.
func pathOf(value any, location []string) string {
	path := ""
	for _, part := range location {
		switch v := value.(type) {
		case []any:
			path += "[" + part + "]"
			if i, err := strconv.Atoi(part); err == nil && i < len(v) {
				value = v[i]
			}
		case map[string]any:
			path = join(path, part)
			value = v[part]
		}
	}
	return path
}

func items(n int) string {
	if n == 1 {
		return "1 item"
	}
	return strconv.Itoa(n) + " items"
}

func article(noun string) string {
	switch noun {
	case "null":
		return "empty"
	case "object":
		return "a map of keys"
	case "array":
		return "a list"
	case "integer":
		return "an integer"
	}
	return "a " + noun
}
