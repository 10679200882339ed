// Package secrets finds the sensitive values of Terraform's plans and states, and masks their copies in text.
package secrets

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Masked is printed in place of a sensitive value.
const Masked = "(sensitive)"

// minLength is in bytes. A shorter value, such as "true" or "8080", may occur elsewhere by chance, and its copies are not masked.
const minLength = 8

// Set is the sensitive strings and numbers of a plan or a state. The zero value has none.
type Set struct {
	values map[string]bool
	forms  map[form]bool
}

// form is a text that contains a whole secret: the secret, or an encoding of it.
type form struct {
	text          string
	before, after bool // the next character is a part of the secret too, together with its neighbour: in base64
}

// InPlan returns the sensitive values of a plan: of resources, data sources and outputs, before and after the plan.
func InPlan(plan *tfjson.Plan) *Set {
	s := &Set{}
	for _, changes := range [][]*tfjson.ResourceChange{plan.ResourceChanges, plan.ResourceDrift} {
		for _, resource := range changes {
			s.addChange(resource.Change)
		}
	}
	for _, change := range plan.OutputChanges {
		s.addChange(change)
	}
	if plan.PriorState != nil {
		s.addState(plan.PriorState.Values)
	}
	s.addState(plan.PlannedValues)
	return s
}

// InState returns the sensitive values of a state.
func InState(state *tfjson.State) *Set {
	s := &Set{}
	s.addState(state.Values)
	return s
}

// InOutputs returns the values of sensitive outputs.
func InOutputs(outputs map[string]*tfjson.StateOutput) *Set {
	s := &Set{}
	s.addOutputs(outputs)
	return s
}

func (s *Set) addChange(change *tfjson.Change) {
	if change == nil {
		return
	}
	marks := MarksOf(change)
	s.addMarked(marks, "", change.Before)
	s.addMarked(marks, "", change.After)
}

func (s *Set) addState(values *tfjson.StateValues) {
	if values == nil {
		return
	}
	s.addOutputs(values.Outputs)
	s.addModule(values.RootModule)
}

func (s *Set) addOutputs(outputs map[string]*tfjson.StateOutput) {
	for _, output := range outputs {
		if output.Sensitive {
			s.add(output.Value)
		}
	}
}

func (s *Set) addModule(module *tfjson.StateModule) {
	if module == nil {
		return
	}
	for _, resource := range module.Resources {
		var mask any
		if json.Unmarshal(resource.SensitiveValues, &mask) != nil {
			continue // absent
		}
		marks := Marks{}
		marks.add("", mask)
		s.addMarked(marks, "", map[string]any(resource.AttributeValues))
	}
	for _, child := range module.ChildModules {
		s.addModule(child)
	}
}

// addMarked adds the parts of a value whose paths are marked.
func (s *Set) addMarked(marks Marks, path string, value any) {
	if marks[path] {
		s.add(value)
		return
	}
	switch value := value.(type) {
	case map[string]any:
		for name, each := range value {
			if name != "value" || !isOpenParameter(marks, path, value) {
				s.addMarked(marks, Member(path, name), each)
			}
		}
	case []any:
		for _, each := range value {
			s.addMarked(marks, Element(path), each)
		}
	}
}

// isOpenParameter reports whether an object is a parameter of Systems Manager that is no secret, such as the ID of the newest AMI. The
// provider marks the value of every parameter, and has it again, unmarked, in insecure_value, unless it is a SecureString
// (https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/ssm/parameter_data_source.go).
func isOpenParameter(marks Marks, path string, object map[string]any) bool {
	value, isText := object["value"].(string)
	return isText && object["insecure_value"] == any(value) && !marks[Member(path, "insecure_value")] && object["type"] != any("SecureString")
}

// add adds the strings and numbers of a sensitive value. The keys of objects are names, such as "password", and not added.
func (s *Set) add(value any) {
	switch value := value.(type) {
	case string:
		s.addText(value)
	case json.Number:
		s.addText(value.String())
	case map[string]any:
		for _, each := range value {
			s.add(each)
		}
	case []any:
		for _, each := range value {
			s.add(each)
		}
	}
}

func (s *Set) addText(secret string) {
	if secret = strings.TrimSpace(secret); len(secret) < minLength || s.values[secret] {
		return
	}
	if s.values == nil {
		s.values, s.forms = map[string]bool{}, map[form]bool{}
	}
	s.values[secret] = true
	for _, text := range []string{secret, jsonEscape(secret, true), jsonEscape(secret, false), url.QueryEscape(secret), url.PathEscape(secret)} {
		s.forms[form{text: text}] = true
	}
	for line := range strings.Lines(secret) { // a copy may be indented
		if line = strings.TrimSpace(line); len(line) >= minLength {
			s.forms[form{text: line}] = true
		}
	}
	for offset := range 3 {
		f := base64Form(secret, offset)
		s.forms[f] = true
		f.text = toURLAlphabet.Replace(f.text)
		s.forms[f] = true
	}
}

// jsonEscape returns a text as it is inside a string in JSON. Go and Terraform escape <, > and & too
// (https://developer.hashicorp.com/terraform/language/functions/jsonencode); most other programs do not.
func jsonEscape(text string, html bool) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(html)
	if encoder.Encode(text) != nil {
		return text // cannot happen to a string
	}
	quoted := strings.TrimSuffix(out.String(), "\n")
	return quoted[1 : len(quoted)-1]
}

var toURLAlphabet = strings.NewReplacer("+", "-", "/", "_")

// base64Form returns the part of a base64 text that a secret determines alone, if it begins after offset bytes, modulo 3. The
// characters around it have bits of the secret as well as of its neighbours (https://datatracker.ietf.org/doc/html/rfc4648#section-4).
func base64Form(secret string, offset int) form {
	text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", offset) + secret))
	begin := []int{0, 2, 3}[offset]
	bits := 8 * (offset + len(secret))
	return form{text: text[begin : bits/6], before: begin > 0, after: bits%6 > 0}
}

// Has reports whether a text is a secret.
func (s *Set) Has(text string) bool { return s != nil && s.values[strings.TrimSpace(text)] }

// Mask replaces copies of secrets in a text: as they are, line by line, escaped for JSON or a URL, and in base64, also inside a
// longer base64 text without line breaks. The number of lines does not change.
func (s *Set) Mask(text string) string {
	found := s.find(text)
	if len(found) == 0 {
		return text
	}
	var out strings.Builder
	end := 0
	for _, each := range found {
		out.WriteString(text[end:each.begin])
		out.WriteString(Masked + strings.Repeat("\n"+Masked, strings.Count(text[each.begin:each.end], "\n")))
		end = each.end
	}
	return out.String() + text[end:]
}

type interval struct{ begin, end int }

// find returns where the secrets are in a text, in order. Copies that overlap or touch are one interval.
func (s *Set) find(text string) []interval {
	if s == nil {
		return nil
	}
	var all []interval
	for f := range s.forms {
		for from := 0; ; {
			at := strings.Index(text[from:], f.text)
			if at < 0 {
				break
			}
			begin, end := from+at, from+at+len(f.text)
			from = begin + 1
			if f.before && begin > 0 && isBase64(text[begin-1]) {
				begin--
			}
			if f.after && end < len(text) && isBase64(text[end]) {
				end++
			}
			all = append(all, interval{begin, end})
		}
	}
	slices.SortFunc(all, func(a, b interval) int { return a.begin - b.begin })
	var joined []interval
	for _, each := range all {
		if last := len(joined) - 1; last >= 0 && each.begin <= joined[last].end {
			joined[last].end = max(joined[last].end, each.end)
			continue
		}
		joined = append(joined, each)
	}
	return joined
}

func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("+/-_", c) >= 0
}

// Marks is the paths of sensitive values, without indices, because the index of an element changes if others are added or
// removed.
type Marks map[string]bool

// MarksOf returns the paths at which a change is sensitive, before or after it.
func MarksOf(change *tfjson.Change) Marks {
	marks := Marks{}
	marks.add("", change.BeforeSensitive)
	marks.add("", change.AfterSensitive)
	return marks
}

// Member is the path of a member of the object at a path.
func Member(path, name string) string { return path + "\n" + name }

// Element is the path of each element of the list at a path.
func Element(path string) string { return path + "\n" }

// add adds the paths at which a mask is true. A mask has the structure of the value, and true in place of each
// sensitive value (https://developer.hashicorp.com/terraform/internals/json-format#change-representation).
func (m Marks) add(path string, mask any) {
	switch mask := mask.(type) {
	case bool:
		if mask {
			m[path] = true
		}
	case map[string]any:
		for name, each := range mask {
			m.add(Member(path, name), each)
		}
	case []any:
		for _, each := range mask {
			m.add(Element(path), each)
		}
	}
}
