package secrets

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
)

// of returns texts as secrets.
func of(texts ...string) *Set {
	s := &Set{}
	for _, text := range texts {
		s.add(text)
	}
	return s
}

func TestMask(t *testing.T) {
	for name, test := range map[string]struct {
		secrets    []string
		text, want string
	}{
		"whole":                         {[]string{"correct horse"}, "correct horse", "(sensitive)"},
		"inside":                        {[]string{"correct horse"}, "a correct horse, and a correct horse", "a (sensitive), and a (sensitive)"},
		"nothing":                       {[]string{"correct horse"}, "correct  horse", "correct  horse"},
		"no secrets":                    {nil, "correct horse", "correct horse"},
		"shorter than 8 bytes":          {[]string{"1234567"}, "1234567", "1234567"},
		"8 bytes":                       {[]string{"12345678"}, "x12345678x", "x(sensitive)x"},
		"with white space around":       {[]string{"  correct horse\n"}, "x correct horse.", "x (sensitive)."},
		"overlapping secrets":           {[]string{"abcdefgh12345", "12345678"}, "abcdefgh12345678.", "(sensitive)."},
		"repeated and overlapping":      {[]string{"abababab"}, "abababababab", "(sensitive)"},
		"several lines":                 {[]string{"first line\nsecond line"}, "a first line\nsecond line b", "a (sensitive)\n(sensitive) b"},
		"several lines, indented":       {[]string{"first line\nsecond line"}, "  first line\n  second line", "  (sensitive)\n  (sensitive)"},
		"escaped for JSON":              {[]string{"quote\"s & <more>"}, `{"a": "quote\"s \u0026 \u003cmore\u003e"}`, `{"a": "(sensitive)"}`},
		"escaped for JSON without HTML": {[]string{"quote\"s & <more>"}, `{"a": "quote\"s & <more>"}`, `{"a": "(sensitive)"}`},
		"in a query":                    {[]string{"p@ss word/1"}, "?q=" + url.QueryEscape("p@ss word/1") + "&b", "?q=(sensitive)&b"},
		"in a path":                     {[]string{"p@ss word/1"}, "mongodb://u:" + url.PathEscape("p@ss word/1") + "@h", "mongodb://u:(sensitive)@h"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := of(test.secrets...).Mask(test.text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	var none *Set
	if none.Mask("text") != "text" || none.Has("text") {
		t.Error("no set masks a text")
	}
}

// In base64, no character that has a bit of the secret is left, wherever the secret begins and ends.
func TestMaskInBase64(t *testing.T) {
	for _, secret := range []string{"12345678", "123456789", "1234567890", "\xfb\xff\xbe\xfb\xff\xbe\xfb\xff", "p>s?>?>?>?"} {
		s := of(secret)
		for name, encoding := range map[string]*base64.Encoding{
			"standard": base64.StdEncoding, "standard without padding": base64.RawStdEncoding,
			"URL": base64.URLEncoding, "URL without padding": base64.RawURLEncoding,
		} {
			for before := range 7 {
				for after := range 5 {
					prefix, suffix := strings.Repeat("\x00", before), strings.Repeat("\x00", after)
					text := encoding.EncodeToString([]byte(prefix + secret + suffix))
					got := s.Mask("x:" + text + ";")
					left := strings.TrimRight(strings.Replace(strings.TrimSuffix(strings.TrimPrefix(got, "x:"), ";"), Masked, "", 1), "=")
					if strings.Trim(left, "A") != "" || strings.Count(got, Masked) != 1 || !strings.HasPrefix(got, "x:") || !strings.HasSuffix(got, ";") {
						t.Errorf("%s, %q after %d and before %d bytes: %s becomes %s", name, secret, before, after, text, got)
					}
				}
			}
		}
	}
}

func TestSecretsOfAPlanAreFoundEverywhere(t *testing.T) {
	marked := func(name string) *tfjson.Change {
		return &tfjson.Change{
			Before: map[string]any{"a": []any{"before-" + name}}, After: map[string]any{"a": []any{"x", "after-" + name}, "open": "open-" + name},
			BeforeSensitive: map[string]any{"a": []any{true}}, AfterSensitive: false,
		}
	}
	values := func(name string) *tfjson.StateValues {
		return &tfjson.StateValues{
			Outputs: map[string]*tfjson.StateOutput{"a": {Sensitive: true, Value: map[string]any{"password": []any{"output-" + name}}}, "b": {Value: "open-" + name}},
			RootModule: &tfjson.StateModule{
				Resources: []*tfjson.StateResource{{AttributeValues: map[string]any{"a": json.Number("123456789"), "open": "open-" + name}, SensitiveValues: json.RawMessage(`{"a": true}`)}},
				ChildModules: []*tfjson.StateModule{{Resources: []*tfjson.StateResource{
					{AttributeValues: map[string]any{"a": "child-" + name}, SensitiveValues: json.RawMessage(`{"a": true}`)}, {AttributeValues: map[string]any{"a": "unmarked"}},
				}}},
			},
		}
	}
	plan := &tfjson.Plan{
		ResourceChanges: []*tfjson.ResourceChange{{Change: marked("resource")}, {}},
		ResourceDrift:   []*tfjson.ResourceChange{{Change: marked("drifted")}},
		OutputChanges:   map[string]*tfjson.Change{"x": {Before: "before-output", After: "after-output", AfterSensitive: true}, "none": nil},
		PriorState:      &tfjson.State{Values: values("prior")},
		PlannedValues:   values("planned"),
	}
	s := InPlan(plan)
	for _, secret := range []string{
		"before-resource", "after-resource", "before-drifted", "after-drifted", "before-output", "after-output",
		"output-prior", "child-prior", "output-planned", "child-planned", "123456789",
	} {
		if !s.Has(secret) {
			t.Errorf("%s is missing", secret)
		}
	}
	for _, open := range []string{"open-resource", "open-drifted", "open-prior", "open-planned", "unmarked", "password"} {
		if s.Has(open) {
			t.Errorf("%s is a secret", open)
		}
	}
	if s := InState(&tfjson.State{Values: values("state")}); !s.Has("output-state") || !s.Has("child-state") || s.Has("open-state") {
		t.Errorf("the secrets of the state are %v", s.values)
	}
	if s := InState(&tfjson.State{}); s.Has("x") || s.Mask("text") != "text" {
		t.Error("an empty state has secrets")
	}
}

func TestOnlySecureParametersAreSecrets(t *testing.T) {
	const value = "ami-0abcdef1234567890"
	for name, test := range map[string]struct {
		attributes map[string]any
		mask       string
		want       bool
	}{
		"String":                        {map[string]any{"type": "String", "value": value, "insecure_value": value}, `{"value": true}`, false},
		"SecureString":                  {map[string]any{"type": "SecureString", "value": value, "insecure_value": value}, `{"value": true}`, true},
		"SecureString without the copy": {map[string]any{"type": "SecureString", "value": value, "insecure_value": nil}, `{"value": true}`, true},
		"a copy that is sensitive":      {map[string]any{"type": "String", "value": value, "insecure_value": value}, `{"value": true, "insecure_value": true}`, true},
		"another copy":                  {map[string]any{"type": "String", "value": value, "insecure_value": "x"}, `{"value": true}`, true},
		"a value that is no text":       {map[string]any{"value": []any{value}, "insecure_value": []any{value}}, `{"value": true}`, true},
		"a parameter that is sensitive": {map[string]any{"type": "String", "value": value, "insecure_value": value}, `true`, true},
	} {
		state := &tfjson.State{Values: &tfjson.StateValues{RootModule: &tfjson.StateModule{Resources: []*tfjson.StateResource{
			{AttributeValues: test.attributes, SensitiveValues: json.RawMessage(test.mask)},
		}}}}
		if got := InState(state).Has(value); got != test.want {
			t.Errorf("%s: secret %t, want %t", name, got, test.want)
		}
	}
}
