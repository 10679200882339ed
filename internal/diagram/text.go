package diagram

import (
	"fmt"
	"slices"
	"strings"
)

// d2Head is the settings of D2. Theme 0 is for light pages, 200 for dark ones; both have a background.
const d2Head = `vars: {
  d2-config: {
    layout-engine: elk
    theme-id: 0
    dark-theme-id: 200
    pad: 8
  }
}
direction: down
grid-columns: 1
grid-gap: 16
classes: {
  group: {
    label.near: bottom-left
    style.font-size: 18
  }
  node: {
    style.font-size: 18
    style.bold: false
  }
  edge: {
    style.font-size: 16
  }
}
`

// D2 is the picture in the language of D2 (https://d2lang.com): the architecture, and a table for each role below it.
func (p *Picture) D2() string {
	var out strings.Builder
	out.WriteString(d2Head)
	out.WriteString("architecture: \"\" {\n  style: {fill: transparent; stroke-width: 0}\n")
	p.walk("", func(g Group, depth int) {
		in := indent(depth + 1)
		if !strings.Contains(g.Label, "\n") {
			fmt.Fprintf(&out, "%s%s: %q {\n%s  class: group\n", in, g.ID, g.Label, in)
			return
		}
		// Arrows cross the label of a group, but go around a node.
		fmt.Fprintf(&out, "%s%s: \"\" {\n%s  name: %q {class: node; shape: text}\n", in, g.ID, in, g.Label)
	}, func(n Node, depth int) {
		shape := map[Shape]string{Cylinder: "; shape: cylinder", Person: "; shape: person"}[n.Shape]
		fmt.Fprintf(&out, "%s%s: %q {class: node%s}\n", indent(depth+1), n.ID, strings.Join(n.Label, "\n"), shape)
	}, func(depth int) { fmt.Fprintf(&out, "%s}\n", indent(depth+1)) })
	for _, e := range p.Edges {
		from, arrow, to := e.From, "->", e.To
		if p.row(to) < p.row(from) { // the first one is drawn above
			from, arrow, to = to, "<-", from
		}
		fmt.Fprintf(&out, "  %s %s %s: %q {class: edge}\n", strings.Join(p.path(from), "."), arrow, strings.Join(p.path(to), "."), e.Label)
	}
	fmt.Fprintf(&out, "}\nroles: \"IAM roles\" {\n  label.near: top-left\n  style.font-size: 18\n  grid-rows: %d\n  grid-gap: 16\n", (len(p.Roles)+1)/2)
	for _, r := range p.Roles {
		fmt.Fprintf(&out, "  %s: %q {\n    shape: sql_table\n", r.ID, r.Name)
		for _, row := range slices.Concat(r.AssumedBy, r.Grants) {
			fmt.Fprintf(&out, "    %q: %q\n", row[0], row[1])
		}
		out.WriteString("  }\n")
	}
	out.WriteString("}\n")
	return out.String()
}

// row orders the nodes from the top to the bottom. A group is where its first node is.
func (p *Picture) row(id string) int {
	return slices.IndexFunc(p.Nodes, func(n Node) bool { return slices.Contains(p.path(n.ID), id) })
}

// Mermaid is the picture as two flowcharts of Mermaid (https://mermaid.js.org), which GitHub draws: the architecture, and the roles.
func (p *Picture) Mermaid() (architecture, roles string) {
	var out strings.Builder
	// It is wider than a page of GitHub, which has 900 pixels and makes it smaller: larger text, and smaller gaps.
	out.WriteString(`%%{init: {"themeVariables": {"fontSize": "22px"}, "flowchart": {"wrappingWidth": 400, "nodeSpacing": 20, "rankSpacing": 30}}}%%` + "\n")
	out.WriteString("flowchart TB\n")
	p.walk("", func(g Group, depth int) {
		// As in D2, the label is a node, because arrows cross the label of a group.
		fmt.Fprintf(&out, "%ssubgraph %s[\" \"]\n", indent(depth+1), g.ID)
		fmt.Fprintf(&out, "%s%s_name[\"%s\"]:::name\n", indent(depth+2), g.ID, strings.ReplaceAll(g.Label, "\n", "<br>"))
	}, func(n Node, depth int) {
		shape := map[Shape][2]string{Box: {"[", "]"}, Cylinder: {"[(", ")]"}, Person: {"([", "])"}}[n.Shape]
		fmt.Fprintf(&out, "%s%s%s\"%s\"%s\n", indent(depth+1), n.ID, shape[0], strings.Join(n.Label, "<br>"), shape[1])
	}, func(depth int) { fmt.Fprintf(&out, "%send\n", indent(depth+1)) })
	for _, g := range p.Groups { // an invisible edge: the label is above the first node
		fmt.Fprintf(&out, "  %s_name ~~~ %s\n", g.ID, p.Nodes[p.row(g.ID)].ID)
	}
	for _, e := range p.Edges {
		fmt.Fprintf(&out, "  %s -- \"%s\" --> %s\n", e.From, e.Label, e.To)
	}
	out.WriteString("  classDef name fill:none,stroke:none\n")
	architecture = out.String()

	out.Reset()
	out.WriteString(`%%{init: {"flowchart": {"wrappingWidth": 500}}}%%` + "\nflowchart LR\n")
	for _, r := range p.Roles {
		who := r.AssumedBy[0][1]
		for _, row := range r.AssumedBy[1:] {
			who += "<br>" + row[0] + ": " + row[1]
		}
		what := "IAM role " + r.Name
		for _, row := range r.Grants {
			what += "<br>" + row[0] + ": " + row[1]
		}
		fmt.Fprintf(&out, "  %[1]s_by[\"%[2]s\"] -- \"assumes\" --> %[1]s[\"%[3]s\"]\n", r.ID, who, what)
	}
	return architecture, out.String()
}

func indent(depth int) string { return strings.Repeat("  ", depth) }

// walk visits the nodes of a group, and its groups with what is in them.
func (p *Picture) walk(group string, begin func(Group, int), node func(Node, int), end func(int)) {
	depth := len(p.path(group))
	for _, n := range p.Nodes {
		if n.Group == group {
			node(n, depth)
		}
	}
	for _, g := range p.Groups {
		if g.Parent == group && g.ID != group {
			begin(g, depth)
			p.walk(g.ID, begin, node, end)
			end(depth)
		}
	}
}
