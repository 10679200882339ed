package claims

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// runbookAnchors is the anchors of the headings of docs/runbook.md, as GitHub forms them: lower case, without punctuation, with hyphens for spaces
// (https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links).
func runbookAnchors(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(harness.Root + "/docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var anchors []string
	code := false
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && !code && strings.HasPrefix(line, "#") {
			anchors = append(anchors, strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-"))
		}
	}
	return anchors
}

var punctuation = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// wantRunbook requires that a message ends with a link to a section of the runbook, and returns the section's anchor.
func wantRunbook(t *testing.T, s stack, where, message string) string {
	t.Helper()
	_, anchor, ok := strings.Cut(message, "Runbook: https://github.com/"+s.Environment().Repository+"/blob/main/docs/runbook.md#")
	if !ok {
		t.Errorf("%s does not link the runbook: %s", where, message)
	} else if !slices.Contains(runbookAnchors(t), anchor) {
		t.Errorf("%s: docs/runbook.md has no section #%s", where, anchor)
	}
	return anchor
}

func TestAlarmsLinkTheirSectionOfTheRunbook(t *testing.T) {
	alarms := 0
	claim := func(t *testing.T, s stack) {
		for address, alarm := range s.OfType("aws_cloudwatch_metric_alarm") {
			description := alarm.Text("alarm_description")
			anchor := wantRunbook(t, s, address, description)
			if !strings.Contains(alarm.Text("alarm_name"), "-"+anchor) {
				t.Errorf("%s links the section #%s", address, anchor)
			}
			if len(description) > 1024 { // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
				t.Errorf("%s: the description has %d characters", address, len(description))
			}
			alarms++
		}
		equal(t, "composite alarms, which nothing here checks", len(s.OfType("aws_cloudwatch_composite_alarm")), 0)
		// A message to people is a template; a target without one invokes a function.
		for address, target := range s.OfType("aws_cloudwatch_event_target") {
			if target.Get("input_transformer") != nil {
				wantRunbook(t, s, address, strings.TrimSuffix(target.Text("input_transformer", "input_template"), `"`))
			}
		}
	}
	onEveryStack(t, claim)
	for name, s := range harness.Extremes(t).Stacks {
		t.Run("extremes/"+name, func(t *testing.T) { claim(t, s) })
	}
	if alarms < 100 {
		t.Errorf("only %d alarms", alarms)
	}
}

// A heading twice has the anchor ANCHOR-1 the second time.
func TestHeadingsOfTheRunbookAreUniqueAndItsLinksAreSections(t *testing.T) {
	anchors := runbookAnchors(t)
	slices.Sort(anchors)
	equal(t, "anchors", anchors, slices.Compact(slices.Clone(anchors)))
	page, err := os.ReadFile(harness.Root + "/docs/runbook.md")
	harness.Must(t, 0, err)
	links := regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(string(page), -1)
	for _, link := range links {
		if !slices.Contains(anchors, link[1]) {
			t.Errorf("docs/runbook.md links #%s, which is no section", link[1])
		}
	}
	if len(links) < 15 {
		t.Errorf("only %d links", len(links))
	}
}

// Each procedure of docs/architecture.md has a section that says what it looks like, what to do, how to tell that it worked, and what to do if not.
func TestProceduresHaveASectionOfTheRunbook(t *testing.T) {
	sections := map[string][]string{
		"AMI updates via new launch template":   {"## New Amazon Linux image"},
		"Security group rule reviews":           {"### Security groups"},
		"IAM policy audits":                     {"### IAM policies"},
		"Cost optimization reviews":             {"### Costs"},
		"Rollback via Terraform state":          {"### Roll back the infrastructure", "### Roll back the state"},
		"Instance replacement via Auto Scaling": {"## An instance is lost or broken"},
		"Database restore from backups":         {"## MongoDB is lost", "## Redis is lost"},
		"Frontend rollback via S3 versioning":   {"## The page is gone", "## Roll back"},
	}
	architecture, err := os.ReadFile(harness.Root + "/docs/architecture.md")
	harness.Must(t, 0, err)
	_, chapter, _ := strings.Cut(string(architecture), "\n## Maintenance Procedures\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	var procedures []string
	for line := range strings.Lines(chapter) {
		if procedure, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			procedures = append(procedures, procedure)
		}
	}
	slices.Sort(procedures)
	equal(t, "procedures of docs/architecture.md", procedures, slices.Sorted(maps.Keys(sections)))

	page, err := os.ReadFile(harness.Root + "/docs/runbook.md")
	harness.Must(t, 0, err)
	for procedure, headings := range sections {
		for _, heading := range headings {
			_, section, ok := strings.Cut(string(page), "\n"+heading+"\n")
			if !ok {
				t.Errorf("%s: docs/runbook.md has no section %q", procedure, heading)
			}
			section, _, _ = strings.Cut(section, "\n##")
			from := 0
			for _, part := range []string{"**Looks like:**", "**Do:**", "**It worked if**", "**If not:**"} {
				i := strings.Index(section[from:], part)
				if i < 0 {
					t.Errorf("%s: the section %q has no %s after the parts before", procedure, heading, part)
					break
				}
				from += i
			}
			if !strings.Contains(section, "\n```bash\n") {
				t.Errorf("%s: the section %q has no command", procedure, heading)
			}
		}
	}
}
