package report

import (
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
		"text with many different lines is counted": {
			before: `{"text": "` + strings.Repeat(`old\n`, 30) + `"}`, after: `{"text": "` + strings.Repeat(`new\n`, 20) + `"}`,
			want: "text: (30 lines) -> (20 lines, 20 of them new)",
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
			for _, d := range diffChange(&change) {
				got = append(got, fmt.Sprintf("%s: %s -> %s", d.path, d.before, d.after))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarningHasTheReasonAndTheLoss(t *testing.T) {
	replace, destroy := tfjson.Actions{tfjson.ActionDelete, tfjson.ActionCreate}, tfjson.Actions{tfjson.ActionDelete}
	for name, test := range map[string]struct {
		change tfjson.ResourceChange
		want   string
	}{
		"arguments that force a replacement": {
			tfjson.ResourceChange{Change: &tfjson.Change{Actions: replace, ReplacePaths: []any{[]any{"rule", 1.0, "name"}, []any{"bucket"}}}},
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
		"secret":         {Value: "hidden", Sensitive: true},
		"count":          {Value: 3.0},
		"mixed":          {Value: []any{"a", 1.0, map[string]any{"b": true}}},
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
	var parsed any
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
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
