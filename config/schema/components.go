package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/starttech/infrastructure/config"
)

// component is an optional part of the architecture: a key whose comment has the paragraphs "Costs:", "Needs:" and "Check:".
type component struct {
	key    string // "network.privateOrigin"
	does   string
	labels [3]string // the paragraphs, by labels
}

// removals is what the removal of each component does.
var removals = config.Removals()

// labels begin the paragraphs of a component's comment.
var labels = [3]string{"Costs: ", "Needs: ", "Check: "}

// componentsOf returns the components in the order of the types. The descriptions are whole comments here.
func componentsOf(schema *jsonschema.Schema, prefix string) ([]component, error) {
	var components []component
	for pair := schema.Properties.Oldest(); pair != nil; pair = pair.Next() {
		c := component{key: prefix + pair.Key}
		found := 0
		for i, paragraph := range strings.Split(pair.Value.Description, "\n\n") {
			text := strings.Join(strings.Fields(paragraph), " ")
			if i == 0 {
				c.does = text
			}
			for j, label := range labels {
				if rest, ok := strings.CutPrefix(text, label); ok {
					c.labels[j], found = rest, found+1
				}
			}
		}
		switch found {
		case 0:
		case len(labels):
			if removals[c.key] == "" {
				return nil, fmt.Errorf("%s has no tag removal", c.key)
			}
			components = append(components, c)
		default:
			return nil, fmt.Errorf("the comment of %s has some of the paragraphs %q, not each of them once", c.key, labels)
		}
		if pair.Value.Properties != nil {
			nested, err := componentsOf(pair.Value, c.key+".")
			if err != nil {
				return nil, err
			}
			components = append(components, nested...)
		}
	}
	return components, nil
}

const tableStart, tableEnd = "<!-- The table is generated from the types in config/ by make snapshots. -->\n", "<!-- The end of the table. -->\n"

// replaceTable writes the table of the components between its two comments in the page.
func replaceTable(page string, components []component) (string, error) {
	before, rest, ok := strings.Cut(page, tableStart)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return "", errors.New("the comments around the generated table are missing")
	}
	var out strings.Builder
	out.WriteString("| block or key | what it does | what it costs | what it needs | how one sees that it works | its removal |\n|---|---|---|---|---|---|\n")
	for _, c := range components {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s | %s | %s | %s | %s |\n", c.key, anchor(c.key), cell(c.does), cell(c.labels[0]), cell(c.labels[1]), cell(c.labels[2]),
			cell(removals[c.key]))
	}
	return before + tableStart + "\n" + out.String() + "\n" + tableEnd + after, nil
}

// anchor is GitHub's link to a section whose title is a key.
func anchor(key string) string { return strings.ToLower(strings.ReplaceAll(key, ".", "")) }
