package report

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/starttech/infrastructure/internal/secrets"
)

var update = flag.Bool("update", false, "rewrite the golden files; read their diff")

// plans are recorded from Terraform by testdata/plans.sh.
var plans = map[string]struct {
	file    string
	count   Count
	changes bool
}{
	"a stack is created": {"create", Count{Add: 6}, true},
	"nothing changes":    {"no-change", Count{}, false},
	"resources change in place, including policy and user data": {"change", Count{Change: 4}, true},
	"a bucket is replaced because of its name":                  {"replace", Count{Add: 1, Destroy: 1, Replace: 1}, true},
	"a stack is destroyed":                                      {"destroy", Count{Destroy: 6}, true},
	"resources were changed and deleted by hand":                {"drift", Count{Add: 1, Change: 1}, true},
	"only outputs change":                                       {"only-outputs", Count{}, true},
	"values contain secrets and Markdown":                       {"markdown-create", Count{Add: 6}, true},
	"secrets change, and resources move, are added and removed": {"markdown-change", Count{Add: 1, Change: 3, Destroy: 1, Replace: 1}, true},
}

func TestPlan(t *testing.T) {
	for name, test := range plans {
		t.Run(name, func(t *testing.T) {
			plan := readPlan(t, test.file)
			text := Plan("staging", plan)
			golden(t, test.file+".md", text)
			checkFences(t, text)
			if got := CountOf(plan); got != test.count {
				t.Errorf("counted %+v, want %+v", got, test.count)
			}
			if got := HasChanges(plan); got != test.changes {
				t.Errorf("has changes: %v, want %v", got, test.changes)
			}
			if got, want := ReplacesInstances(plan), strings.Contains(text, "its instances are replaced one by one"); got != want {
				t.Errorf("replaces instances: %v, want %v", got, want)
			}
		})
	}
}

func TestHasChanges(t *testing.T) {
	noOp, data := tfjson.Actions{tfjson.ActionNoop}, tfjson.DataResourceMode
	for name, test := range map[string]struct {
		resource tfjson.ResourceChange
		output   *tfjson.Change
		want     bool
	}{
		"nothing":                                  {},
		"a resource that does not change":          {resource: tfjson.ResourceChange{Change: &tfjson.Change{Actions: noOp}}},
		"a resource that changes":                  {resource: tfjson.ResourceChange{Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionUpdate}}}, want: true},
		"a resource that is forgotten":             {resource: tfjson.ResourceChange{Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionForget}}}, want: true},
		"a resource that is imported":              {resource: tfjson.ResourceChange{Change: &tfjson.Change{Actions: noOp, Importing: &tfjson.Importing{ID: "x"}}}, want: true},
		"a resource that moves":                    {resource: tfjson.ResourceChange{PreviousAddress: "aws_vpc.old", Change: &tfjson.Change{Actions: noOp}}, want: true},
		"a resource that moved to its own address": {resource: tfjson.ResourceChange{PreviousAddress: "aws_vpc.x", Change: &tfjson.Change{Actions: noOp}}},
		"a resource without a change":              {resource: tfjson.ResourceChange{PreviousAddress: "aws_vpc.old"}},
		"a data source that is read":               {resource: tfjson.ResourceChange{Mode: data, Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionRead}}}},
		"an output that does not change":           {output: &tfjson.Change{Actions: noOp}},
		"an output that changes":                   {output: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionUpdate}}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			test.resource.Address = "aws_vpc.x"
			plan := &tfjson.Plan{
				ResourceChanges: []*tfjson.ResourceChange{&test.resource},
				OutputChanges:   map[string]*tfjson.Change{"x": test.output},
			}
			if got := HasChanges(plan); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestCountHasTerraformsFormat(t *testing.T) {
	if got, want := (Count{Add: 82, Change: 1, Destroy: 2, Replace: 2}).String(), "82 to add, 1 to change, 2 to destroy"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The secrets of the test stacks have values that occur nowhere else.
func TestPlanContainsNoSecrets(t *testing.T) {
	for file, secrets := range map[string][]string{
		"create":          {"battery staple"},
		"change":          {"battery staple", "correct horse"},
		"destroy":         {"battery staple"},
		"markdown-create": {"hidden-"},
		"markdown-change": {"hidden-"},
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		text := Plan("staging", readPlan(t, file))
		for _, secret := range secrets {
			if !strings.Contains(string(raw), secret) {
				t.Errorf("%s.json does not contain %q", file, secret)
			}
			if strings.Contains(text, secret) {
				t.Errorf("the text contains %q of %s.json:\n%s", secret, file, text)
			}
		}
	}
}

func TestPlanIgnoresTheOrderOfResources(t *testing.T) {
	for name, test := range plans {
		want := Plan("staging", readPlan(t, test.file))
		for seed := range uint64(5) {
			plan := readPlan(t, test.file)
			random := rand.New(rand.NewPCG(seed, seed))
			for _, list := range [][]*tfjson.ResourceChange{plan.ResourceChanges, plan.ResourceDrift} {
				random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			}
			if diff := cmp.Diff(want, Plan("staging", plan)); diff != "" {
				t.Errorf("%s, shuffled (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestDifferences(t *testing.T) {
	for name, test := range map[string]struct{ before, after, unknown, sensitive, want string }{
		"a changed, an added and a removed value": {
			before: `{"a": 1, "b": true}`, after: `{"a": 2.5, "c": "x"}`,
			want: "a: 1 -> 2.5\nb: true -> \nc:  -> \"x\"",
		},
		"null and empty values are equal": {
			before: `{"a": null, "b": "", "c": [], "d": {"e": null}, "f": [{"g": null}]}`,
			after:  `{"a": [], "b": null, "c": {}, "d": {}, "f": [{"g": ""}]}`,
		},
		"a large number keeps its digits": {
			before: `{"a": 31536000}`, after: `{"a": 123456789012}`,
			want: "a: 31536000 -> 123456789012",
		},
		"a number beyond 2^53 is exact": {
			before: `{"a": 9007199254740992, "b": [12345678901234567890.5]}`, after: `{"a": 9007199254740993, "b": [1e400]}`,
			want: "a: 9007199254740992 -> 9007199254740993\nb[0]: 12345678901234567890.5 -> 1e400",
		},
		"an inserted element does not affect the others": {
			before: `{"tag": [{"key": "b", "value": "1"}]}`, after: `{"tag": [{"key": "a", "value": "0"}, {"key": "b", "value": "1"}]}`,
			want: `tag[0]:  -> {key: "a", value: "0"}`,
		},
		"a changed element": {
			before: `{"tag": [{"key": "a", "value": "0"}, {"key": "b", "value": "1"}]}`, after: `{"tag": [{"key": "a", "value": "0"}, {"key": "b", "value": "2"}]}`,
			want: `tag[1].value: "1" -> "2"`,
		},
		"swapped elements": {
			before: `{"order": ["a", "b"]}`, after: `{"order": ["b", "a"]}`,
			want: `order[1]:  -> "a" (from order[0])`,
		},
		"a long new block has a difference per attribute": {
			before: `{"ebs": []}`, after: `{"ebs": [{"name": "` + strings.Repeat("n", 60) + `", "kind": "` + strings.Repeat("k", 60) + `"}]}`,
			want: `ebs[0].kind:  -> "` + strings.Repeat("k", 60) + "\"\n" + `ebs[0].name:  -> "` + strings.Repeat("n", 60) + `"`,
		},
		"JSON in a string is compared as JSON": {
			before: `{"policy": "{\"Statement\": [{\"Action\": [\"s3:GetObject\"]}]}"}`, after: `{"policy": "{\"Statement\":[{\"Action\":[\"s3:*\"]}]}"}`,
			want: `policy.Statement[0].Action[0]: "s3:GetObject" -> "s3:*"`,
		},
		"whitespace in JSON is ignored": {
			before: `{"policy": "{\"a\": 1}"}`, after: `{"policy": "{\"a\":1}"}`,
		},
		"base64 text is decoded and compared line by line": {
			before: `{"user_data": "b25lCnR3bwp0aHJlZQo="}`, after: `{"user_data": "b25lCnRocmVlCmZvdXIKZml2ZQo="}`,
			want: "user_data line 2: \"two\" -> \nuser_data line 3:  -> \"four\"\nuser_data line 4:  -> \"five\"",
		},
		"text with many different lines is cut": {
			before: `{"text": "` + strings.Repeat(`old\n`, 30) + `"}`, after: `{"text": "` + strings.Repeat(`new\n`, 20) + `"}`,
			want: differingLines(30, "old", "") + differingLines(10, "", "new") + "text:  -> (and 10 more differing lines)",
		},
		"text with as many different lines as are printed": {
			before: `{"text": "` + strings.Repeat(`old\n`, 20) + `"}`, after: `{"text": "` + strings.Repeat(`new\n`, 20) + `"}`,
			want: strings.TrimSpace(differingLines(20, "old", "new")),
		},
		"one line becomes a text": {
			before: `{"text": "one"}`, after: `{"text": "one\ntwo\n"}`,
			want: `text line 2:  -> "two"`,
		},
		"a text that is added": {
			before: `{}`, after: `{"text": "one\ntwo\n"}`,
			want: "text line 1:  -> \"one\"\ntext line 2:  -> \"two\"",
		},
		"long strings are cut where they differ": {
			before: `{"a": "` + strings.Repeat("x", 300) + `old"}`, after: `{"a": "` + strings.Repeat("x", 300) + `new"}`,
			want: `a: "...` + strings.Repeat("x", 40) + `old" (303 characters) -> "...` + strings.Repeat("x", 40) + `new" (303 characters)`,
		},
		"a string that is valid base64 by chance is not decoded": {
			before: `{"name": "test", "id": ""}`, after: `{"name": "abcd", "id": "e30="}`,
			want: "id:  -> \"e30=\"\nname: \"test\" -> \"abcd\"",
		},
		"a long string is truncated": {
			before: `{"a": ""}`, after: `{"a": "` + strings.Repeat("x", 300) + `"}`,
			want: `a:  -> "` + strings.Repeat("x", 200) + `..." (300 characters)`,
		},
		"unknown values": {
			before: `{"a": [1, 2], "b": [{"c": "x"}]}`, after: `{"b": [{}]}`, unknown: `{"a": true, "b": [{"c": true}], "d": true}`,
			want: "a: [1, 2] -> (known after apply)\nb[0].c: \"x\" -> (known after apply)\nd:  -> (known after apply)",
		},
		"a value that becomes sensitive is hidden before and after": {
			before: `{"a": "secret", "b": "x"}`, after: `{"a": "secret", "b": "y"}`, sensitive: `{"a": true, "b": true}`,
			want: "b: (sensitive) -> (sensitive)",
		},
		"a sensitive element stays sensitive at another index": {
			before: `{"list": [{"key": "a", "value": "secret"}]}`, after: `{"list": [{"key": "b", "value": "open"}, {"key": "a", "value": "secret"}]}`, sensitive: `{"list": [{}, {"value": true}]}`,
			want: `list[0]:  -> {key: "b", value: (sensitive)}`,
		},
		"a copy of a secret is sensitive": {
			before: `{"argument": "correct horse", "copy": "correct horse"}`, after: `{"argument": "battery staple", "copy": "battery staple"}`, sensitive: `{"argument": true}`,
			want: "argument: (sensitive) -> (sensitive)\ncopy: (sensitive) -> (sensitive)",
		},
		"copies of a secret in longer texts are masked": {
			before: `{"secret": "correct horse", "url": "https://a:correct horse@x", "json": "{\"a\": [\"is correct horse\"]}", "text": "one\ncorrect horse\n"}`,
			after:  `{"secret": "battery staple", "url": "https://a:battery staple@x", "json": "{\"a\": [\"is battery staple\"]}", "text": "one\n battery staple;\n"}`, sensitive: `{"secret": true}`,
			want: "json.a[0]: \"is (sensitive)\" -> \"is (sensitive)\"\nsecret: (sensitive) -> (sensitive)\n" +
				"text line 2: (sensitive) -> \" (sensitive);\"\nurl: \"https://a:(sensitive)@x\" -> \"https://a:(sensitive)@x\"",
		},
		"copies of a secret in base64 are masked": {
			before: `{"secret": "correct horse", "user_data": "` + base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho correct horse\n")) + `"}`,
			after: `{"secret": "correct horse", "user_data": "` + base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho 'correct horse'\n")) + `", "file": "printf ` +
				base64.RawURLEncoding.EncodeToString([]byte("a correct horse b")) + ` | base64 -d", "whole": "` + base64.URLEncoding.EncodeToString([]byte("correct horse")) + `"}`,
			sensitive: `{"secret": true}`,
			want:      "file:  -> \"printf YS(sensitive)IGI | base64 -d\"\nuser_data line 2: \"echo (sensitive)\" -> \"echo '(sensitive)'\"\nwhole:  -> (sensitive)",
		},
		"copies of a secret in keys are masked": {
			before: `{"secret": "correct horse", "tags": {"a correct horse": "1", "a (sensitive)": "2"}}`, after: `{"secret": "correct horse", "tags": {"a (sensitive)": "2"}}`, sensitive: `{"secret": true}`,
			want: `tags["a (sensitive) 2"]: "1" -> `,
		},
		"a secret of several lines is masked in a text that indents it": {
			before: `{"key": "first part\nsecond part\n", "text": ""}`, after: `{"key": "first part\nsecond part\n", "text": "begin\n  first part\n  second part\nend"}`, sensitive: `{"key": true}`,
			want: "text line 1:  -> \"begin\"\ntext line 2:  -> \"  (sensitive)\"\ntext line 3:  -> \"  (sensitive)\"\ntext line 4:  -> \"end\"",
		},
		"a short secret is not masked elsewhere": {
			before: `{"secret": "8080", "port": "8080"}`, after: `{"secret": "8080", "port": "80801"}`, sensitive: `{"secret": true}`,
			want: `port: "8080" -> "80801"`,
		},
		"a secret number is masked elsewhere": {
			before: `{"secret": 12345678, "copy": 12345678}`, after: `{"secret": 12345679, "copy": 12345679}`, sensitive: `{"secret": true}`,
			want: "copy: (sensitive) -> (sensitive)\nsecret: (sensitive) -> (sensitive)",
		},
		"a tag is reported once": {
			before: `{"tags": {"a": "1"}, "tags_all": {"a": "1"}}`, after: `{"tags": {"a": "2"}, "tags_all": {"a": "2", "all": "x"}}`,
			want: "tags.a: \"1\" -> \"2\"\ntags_all.all:  -> \"x\"",
		},
		"a name that is not an identifier": {
			before: `{"tags": {"aws:name": "1"}}`, after: `{"tags": {"aws:name": "2"}}`,
			want: `tags["aws:name"]: "1" -> "2"`,
		},
		"an object that becomes a list": {
			before: `{"a": {"b": 1}}`, after: `{"a": [1]}`,
			want: "a: {b: 1} -> \na:  -> [1]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			change := tfjson.Change{
				Before: value(t, test.before), After: value(t, test.after),
				AfterUnknown: value(t, test.unknown), AfterSensitive: value(t, test.sensitive),
			}
			var got []string
			known := secrets.InPlan(&tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{Change: &change}}})
			for _, d := range diffChange(&change, known) {
				got = append(got, fmt.Sprintf("%s: %s -> %s", d.path, d.before, d.after))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

// differingLines is the differences of n lines of the attribute text.
func differingLines(n int, before, after string) string {
	quoted := func(text string) string {
		if text == "" {
			return ""
		}
		return `"` + text + `"`
	}
	lines := ""
	for i := range n {
		lines += fmt.Sprintf("text line %d: %s -> %s\n", i+1, quoted(before), quoted(after))
	}
	return lines
}

func TestCodeThatChangesHasAWarning(t *testing.T) {
	update, create, replace := tfjson.Actions{tfjson.ActionUpdate}, tfjson.Actions{tfjson.ActionCreate}, tfjson.Actions{tfjson.ActionDelete, tfjson.ActionCreate}
	script := func(lines ...string) map[string]any {
		return map[string]any{"user_data": base64.StdEncoding.EncodeToString([]byte(strings.Join(lines, "\n") + "\n"))}
	}
	old := script("#!/bin/bash", "one", "two")
	for name, test := range map[string]struct {
		change tfjson.Change
		want   string // empty: no warning
	}{
		"changed":                  {tfjson.Change{Actions: update, Before: old, After: script("#!/bin/bash", "one", "three", "four")}, "changes: 1 line removed, 2 added"},
		"changed in a replacement": {tfjson.Change{Actions: replace, Before: old, After: script("#!/bin/bash", "one")}, "changes: 1 line removed, 0 added"},
		"not changed":              {tfjson.Change{Actions: update, Before: old, After: old}, ""},
		"new":                      {tfjson.Change{Actions: create, After: old}, "is new: 3 lines"},
		"added":                    {tfjson.Change{Actions: update, Before: map[string]any{"name": "x"}, After: old}, "is new: 3 lines"},
		"removed":                  {tfjson.Change{Actions: update, Before: old, After: map[string]any{"name": "x"}}, "is removed"},
		"known after the apply":    {tfjson.Change{Actions: update, Before: old, AfterUnknown: map[string]any{"user_data": true}, After: map[string]any{"name": "x"}}, "may change: it is known after the apply"},
		"sensitive":                {tfjson.Change{Actions: update, Before: old, After: script("other"), AfterSensitive: map[string]any{"user_data": true}}, "changes and is sensitive, so it is not shown"},
		"compressed":               {tfjson.Change{Actions: update, Before: map[string]any{"user_data": "H4sIAAAA"}, After: map[string]any{"user_data": "H4sIAAAB"}}, "changes"},
		"destroyed":                {tfjson.Change{Actions: tfjson.Actions{tfjson.ActionDelete}, Before: old}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			plan := &tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{
				{Address: "aws_launch_template.x", Type: "aws_launch_template", Change: &test.change},
				resource("aws_vpc.x", tfjson.ActionDelete, nil),
			}}
			for form, text := range map[string]string{
				"`user_data` of `aws_launch_template.x`": Plan("staging", plan), "user_data of aws_launch_template.x": Text("staging", plan),
			} {
				want := form + ", which runs as root when an instance boots, " + test.want + "\n"
				if test.want == "" {
					if strings.Contains(text, "WARNING") {
						t.Errorf("a warning in:\n%s", text)
					}
				} else if !strings.Contains(text, want) || !strings.Contains(text, "cdktf.out/stacks/staging/cdk.tf.json") {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
		})
	}

	// Otherwise the first plan of an environment has a warning.
	first := &tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{Address: "aws_launch_template.x", Type: "aws_launch_template", Change: &tfjson.Change{Actions: create, After: old}}}}
	if text := Plan("staging", first); strings.Contains(text, "WARNING") {
		t.Errorf("a warning in:\n%s", text)
	}
}

func TestForgottenResourcesAreExplained(t *testing.T) {
	const explanation = ": Terraform no longer manages it, and does not destroy it; it stays on AWS, with its costs, until somebody deletes it there\n"
	forgotten := resource("aws_s3_bucket.site", tfjson.ActionForget, nil)
	replaced := resource("aws_sns_topic.alarms", tfjson.ActionCreate, map[string]any{"name": "new"})
	replaced.Change.Actions, replaced.Change.Before = tfjson.Actions{tfjson.ActionCreate, tfjson.ActionForget}, map[string]any{"name": "old"}
	plan := &tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{forgotten, replaced}}
	for what, want := range map[string][]string{
		Plan("staging", plan): {
			"> [!NOTE]\n> - `aws_s3_bucket.site` is **forgotten**" + explanation, "> - the old `aws_sns_topic.alarms` is **forgotten**" + explanation,
			"(2 forgotten)", "- aws_s3_bucket.site (forgotten: no longer managed by Terraform, not destroyed)\n",
			"! aws_sns_topic.alarms (replaced; the old one is forgotten: no longer managed by Terraform, not destroyed)\n-     name: \"old\"\n+     name: \"new\"\n",
		},
		Text("staging", plan): {"NOTE:\n  aws_s3_bucket.site is forgotten" + explanation, "  the old aws_sns_topic.alarms is forgotten" + explanation},
	} {
		for _, part := range want {
			if !strings.Contains(what, part) {
				t.Errorf("no %q in:\n%s", part, what)
			}
		}
	}
}

// The secret is in one resource, and its copies are everywhere else, cut by every limit.
func TestCopiesOfASecretInOtherResourcesAreMasked(t *testing.T) {
	const secret = "hidden-token"
	long := strings.Repeat("x", 195) + secret // begins before stringLength and ends after it
	key := strings.Repeat("k", 90) + secret
	update := tfjson.Actions{tfjson.ActionUpdate}
	plan := &tfjson.Plan{
		PriorState: &tfjson.State{Values: &tfjson.StateValues{RootModule: &tfjson.StateModule{ChildModules: []*tfjson.StateModule{{Resources: []*tfjson.StateResource{
			{AttributeValues: map[string]any{"list": []any{secret}}, SensitiveValues: json.RawMessage(`{"list": [true]}`)},
		}}}}}},
		ResourceChanges: []*tfjson.ResourceChange{
			{Address: `aws_launch_template.x["` + secret + `"]`, PreviousAddress: "aws_launch_template." + secret, Type: "aws_launch_template", Change: &tfjson.Change{
				Actions: update, Before: map[string]any{"user_data": "a\nb"}, After: map[string]any{"user_data": "a\n" + long},
			}},
			{Address: "aws_s3_bucket." + secret, Type: "aws_s3_bucket", Change: &tfjson.Change{
				Actions: tfjson.Actions{tfjson.ActionDelete, tfjson.ActionCreate}, Before: map[string]any{"tags": map[string]any{key: long}}, After: map[string]any{"tags": map[string]any{}},
				ReplacePaths: []any{[]any{"tags", key}},
			}},
			{Address: "aws_autoscaling_group." + secret, Type: "aws_autoscaling_group", Change: &tfjson.Change{Actions: update, Before: map[string]any{"launch_template": "1"}, After: map[string]any{"launch_template": secret}}},
			{Address: "aws_vpc." + strings.Repeat("v", 290) + secret, Type: "aws_vpc", Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionForget}}},
		},
		OutputChanges: map[string]*tfjson.Change{"x": {Actions: update, Before: "a", After: "https://" + secret + "@example.com"}},
	}
	plan.ResourceDrift = plan.ResourceChanges
	for form, text := range map[string]string{"Markdown": Plan("staging", plan), "text": Text("staging", plan)} {
		for size := 5; size <= len(secret); size++ { // no part of it, either
			if part := secret[:size]; strings.Contains(text, part) {
				t.Errorf("%q is in the %s:\n%s", part, form, text)
				break
			}
		}
		if got := strings.Count(text, secrets.Masked); got < 10 {
			t.Errorf("%d masks in the %s:\n%s", got, form, text)
		}
	}
}

func TestWarningHasTheReasonAndTheLoss(t *testing.T) {
	replace, destroy := tfjson.Actions{tfjson.ActionDelete, tfjson.ActionCreate}, tfjson.Actions{tfjson.ActionDelete}
	for name, test := range map[string]struct {
		change tfjson.ResourceChange
		want   string
	}{
		"arguments that force a replacement": {
			tfjson.ResourceChange{Change: &tfjson.Change{Actions: replace, ReplacePaths: []any{[]any{"rule", json.Number("1"), "name"}, []any{"bucket"}}}},
			"is **replaced** because of `bucket`, `rule[1].name`: ",
		},
		"tainted": {
			tfjson.ResourceChange{ActionReason: tfjson.ActionReasonReplaceBecauseTainted, Change: &tfjson.Change{Actions: replace}},
			"is **replaced** because it is tainted: ",
		},
		"the -replace option, create before destroy": {
			tfjson.ResourceChange{ActionReason: tfjson.ActionReasonReplaceByRequest, Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionCreate, tfjson.ActionDelete}}},
			"is **replaced** because of the -replace option: ",
		},
		"replace_triggered_by": {
			tfjson.ResourceChange{ActionReason: tfjson.ActionReasonReplaceByTriggers, Change: &tfjson.Change{Actions: replace}},
			"is **replaced** because of replace_triggered_by: ",
		},
		"removed from the code": {
			tfjson.ResourceChange{ActionReason: tfjson.ActionReasonDeleteBecauseNoResourceConfig, Change: &tfjson.Change{Actions: destroy}},
			"is **destroyed**: ",
		},
		"a deposed object": {
			tfjson.ResourceChange{DeposedKey: "00aa11bb", Change: &tfjson.Change{Actions: destroy}},
			"is **destroyed (deposed object `00aa11bb`)**: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, loss := range stateful {
				test.change.Type, test.change.Address = kind, kind+".x"
				text := Plan("staging", &tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{&test.change}})
				if want := "> - `" + kind + ".x` " + test.want + loss + "\n"; !strings.Contains(text, want) {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
		})
	}
}

func TestOnlyDestroyedStatefulResourcesHaveWarnings(t *testing.T) {
	text := Plan("staging", &tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{
		{Address: "aws_route.a", Type: "aws_route", Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionDelete}}},
		{Address: "aws_s3_bucket.a", Type: "aws_s3_bucket", Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionForget}}},
		{Address: "data.aws_lb.a", Type: "aws_lb", Mode: tfjson.DataResourceMode, Change: &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionRead}}},
	}})
	if strings.Contains(text, "CAUTION") || strings.Contains(text, "aws_lb") {
		t.Errorf("got:\n%s", text)
	}
}

// GitHub's limit for a comment is 65,536 characters; callers add to the text.
func TestPlanOfAnySizeFitsAComment(t *testing.T) {
	const many = 2000
	for name, change := range map[string]func(i int) *tfjson.ResourceChange{
		"thousands of small resources": func(i int) *tfjson.ResourceChange {
			return resource(fmt.Sprintf("aws_vpc.v%04d", i), tfjson.ActionCreate, map[string]any{"cidr_block": "10.0.0.0/16"})
		},
		"thousands of resources with many long attributes full of backticks": func(i int) *tfjson.ResourceChange {
			after := map[string]any{}
			for n := range 20 {
				after[fmt.Sprintf("a%d%s", n, strings.Repeat("`", n*16))] = strings.Repeat("`", n*16)
			}
			return resource(fmt.Sprintf("aws_vpc.v%04d", i), tfjson.ActionCreate, after)
		},
		"thousands of destroyed buckets with long addresses of multi-byte characters": func(i int) *tfjson.ResourceChange {
			return resource(fmt.Sprintf("aws_s3_bucket.b[\"%04d%s\"]", i, strings.Repeat("ü`", 100)), tfjson.ActionDelete, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan := tfjson.Plan{OutputChanges: map[string]*tfjson.Change{}}
			for i := range many {
				next := change(i)
				plan.ResourceChanges, plan.ResourceDrift = append(plan.ResourceChanges, next), append(plan.ResourceDrift, next)
				plan.OutputChanges[fmt.Sprintf("output_%04d", i)] = &tfjson.Change{Actions: tfjson.Actions{tfjson.ActionCreate}, After: strings.Repeat("`x", 500)}
			}
			text := Plan("staging", &plan)
			if got := utf8.RuneCountInString(text); got > limit {
				t.Errorf("%d characters", got)
			}
			body := checkFences(t, text)
			included := 0
			for line := range strings.SplitSeq(body, "\n") {
				if strings.HasPrefix(line, "+ ") && !strings.HasPrefix(line, "+  ") || strings.HasPrefix(line, "- ") && !strings.HasPrefix(line, "-  ") {
					included++
				}
			}
			want := fmt.Sprintf("\nOmitted: %d resources, because the length of a comment is limited. The run's artifact has the whole plan.\n", many-included)
			if included == 0 || !strings.HasSuffix(text, want) {
				t.Errorf("%d of %d resources are included, and the text ends with %q", included, many, text[len(text)-150:])
			}
		})
	}
}

func TestFailure(t *testing.T) {
	recorded, err := os.ReadFile(filepath.Join("testdata", "failed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for file, test := range map[string]struct{ message, output string }{
		"failed": {"plan production: aws_s3_bucket.site is protected: to destroy it, set deletionProtection: false", string(recorded)},
		"failed-markdown": {
			"plan staging: error in\n  module.a[\"x\"] <b>*of* _all_ @everyone</b> `$HOME` a_b_c | #1 ~~x~~",
			"\x1b[31m╷\x1b[0m\n\x1b[31m│\x1b[0m \x1b[1mError: \x1b[0m```\n│ </details>\n│ `````\n╵\x07\r\n",
		},
		"failed-silent": {"plan staging: Terraform did not start", " \n"},
	} {
		t.Run(file, func(t *testing.T) {
			text := Failure("staging", test.message, test.output)
			golden(t, file+".md", text)
			checkFences(t, text)
			if strings.Contains(text, "\x1b") {
				t.Error("the text contains colours")
			}
		})
	}
}

func TestFailureOfAnySizeFitsAComment(t *testing.T) {
	for name, output := range map[string]string{
		"many lines":     strings.Repeat("a line of Terraform\n", 10_000) + "the last line\n",
		"one line":       strings.Repeat("word ", 100_000),
		"only backticks": strings.Repeat("`", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			text := Failure("staging", strings.Repeat("<why> ", 10_000), output)
			if got := utf8.RuneCountInString(text); got > limit {
				t.Errorf("%d characters", got)
			}
			body := checkFences(t, text)
			if len(body) > outputLimit {
				t.Errorf("the output has %d bytes", len(body))
			}
			if name == "many lines" && (!strings.HasSuffix(body, "the last line") || !strings.Contains(text, "(last 1000 lines; the run's log has all of it)")) {
				t.Errorf("the text does not have the end of the output:\n%s", text)
			}
		})
	}
}

func TestOutputs(t *testing.T) {
	outputs := map[string]*tfjson.StateOutput{
		"site_url":       {Value: "https://d111111abcdef8.cloudfront.net"},
		"nat_public_ips": {Value: []any{"192.0.2.1", "192.0.2.2"}},
		"secret":         {Value: "hidden-output", Sensitive: true},
		"count":          {Value: json.Number("9007199254740993")}, // 2^53 + 1
		"mixed":          {Value: []any{"a", json.Number("1"), map[string]any{"b": true}}},
		"copy":           {Value: "https://user:hidden-output@example.com"},
		"copies":         {Value: []any{"a hidden-output", map[string]any{"hidden-output": "aGlkZGVuLW91dHB1dA"}}},
		"markdown":       {Value: "a|b `c` <br>\n| next | row |"},
		"link":           {Value: "https://example.com/?a|b>c"},
		"nothing":        {Value: ""},
		"null":           {},
		"ticks":          {Value: "`"},
	}
	golden(t, "outputs.md", Outputs("staging", outputs))
	golden(t, "outputs-none.md", Outputs("staging", nil))
}

func resource(address string, action tfjson.Action, after map[string]any) *tfjson.ResourceChange {
	kind, _, _ := strings.Cut(address, ".")
	change := &tfjson.Change{Actions: tfjson.Actions{action}}
	if after != nil {
		change.After = after
	}
	return &tfjson.ResourceChange{Address: address, Type: kind, Mode: tfjson.ManagedResourceMode, Change: change}
}

// checkFences fails if the code block ends before the last fence, and returns the content of the code block.
func checkFences(t *testing.T, text string) string {
	t.Helper()
	text, body, found := strings.Cut(text, "</summary>\n\n```")
	if !found {
		if strings.Contains(text, "```") {
			t.Errorf("a fence outside the details:\n%s", text)
		}
		return ""
	}
	extra := body[:len(body)-len(strings.TrimLeft(body, "`"))]
	fence := "```" + extra
	body, last, closed := strings.Cut(body, "\n"+fence+"\n\n</details>\n")
	if !closed || strings.Contains(last, "</details>") {
		t.Fatalf("the fence of %d backticks does not end with the details", len(fence))
	}
	_, body, _ = strings.Cut(body, "\n")
	if slices.ContainsFunc(strings.Split(body, "\n"), func(line string) bool { return strings.Contains(line, fence) }) {
		t.Errorf("the fence of %d backticks also occurs inside the block", len(fence))
	}
	return body
}

func readPlan(t *testing.T, file string) *tfjson.Plan {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var plan tfjson.Plan
	plan.UseJSONNumber(true)
	if err := json.Unmarshal(content, &plan); err != nil {
		t.Fatal(err)
	}
	return &plan
}

// value parses JSON; nil if the text is empty.
func value(t *testing.T, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var parsed any
	if err := decoder.Decode(&parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

// golden compares a text with a file in testdata, or rewrites the file with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./internal/report -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; if that is intended, run go test ./internal/report -update (-want +got):\n%s", path, diff)
	}
}

func TestReplacesInstances(t *testing.T) {
	group := func(size string) map[string]any {
		return map[string]any{"max_size": size, "launch_template": []any{map[string]any{"version": "1"}}}
	}
	newer := group("1")
	newer["launch_template"] = []any{map[string]any{"version": "2"}}
	for name, test := range map[string]struct {
		actions       tfjson.Actions
		before, after any
		want          bool
	}{
		"a new version of the launch template": {tfjson.Actions{tfjson.ActionUpdate}, group("1"), newer, true},
		"another size":                         {tfjson.Actions{tfjson.ActionUpdate}, group("1"), group("2"), false},
		"a new group":                          {tfjson.Actions{tfjson.ActionCreate}, nil, newer, false},
		"no change":                            {tfjson.Actions{tfjson.ActionNoop}, group("1"), group("1"), false},
	} {
		plan := &tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{{
			Address: "aws_autoscaling_group.backend", Type: "aws_autoscaling_group",
			Change: &tfjson.Change{Actions: test.actions, Before: test.before, After: test.after},
		}}}
		if got := ReplacesInstances(plan); got != test.want {
			t.Errorf("%s: replaces instances: %v, want %v", name, got, test.want)
		}
	}
}
