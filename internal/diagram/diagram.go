// Package diagram draws the architecture of a synthesized environment as D2 (https://d2lang.com) and as Mermaid
// (https://mermaid.js.org). The picture has what the Terraform JSON has, in AWS's names.
package diagram

import (
	"fmt"
	"slices"
	"strings"
)

// Picture is the architecture of an environment, with the parts of its account that it is connected to.
type Picture struct {
	Groups []Group // outer groups first
	Nodes  []Node  // from the top to the bottom
	Edges  []Edge
	Roles  []Role
}

// Group is a box around nodes and groups.
type Group struct{ ID, Parent, Label string }

// Node is a component: one resource, or the resources of a kind. A label has one or more lines.
type Node struct {
	ID, Group string
	Label     []string
	Shape     Shape
}

// Shape is how a node is drawn.
type Shape int

// Shapes: services and networks are boxes, what stores data is a cylinder.
const (
	Box Shape = iota
	Cylinder
	Person
)

// Edge is an arrow from the node or group that starts the connection, or sends the data, to the other one.
type Edge struct{ From, To, Label string }

// Groups of a picture. People, and what is not on AWS, are in none.
const (
	environmentGroup = "environment"
	vpcGroup         = "vpc"
	publicGroup      = "public"
	privateGroup     = "private"
	accountGroup     = "account"
)

// component is a node that a picture has if a stack has a resource of one of the types.
type component struct {
	id, name string
	group    string
	shape    Shape
	types    []string
	detail   func(s stack) []string // further lines of the label; nil: none
}

// components are in the order from the top of the picture to the bottom. A resource whose type is not in it has no node: rules, routes
// and associations are edges, policies are rows of roles, and keys, certificates and settings of a bucket are left out.
//
// group is where a component is if its resource refers to no subnet.
var components = []component{
	{id: "guardduty", name: "GuardDuty detector", group: accountGroup, types: []string{"aws_guardduty_detector"}},
	{id: "budgets", name: "AWS Budgets", group: accountGroup, types: []string{"aws_budgets_budget"}, detail: budgetDetail},
	{id: "state", name: "S3 bucket", group: accountGroup, shape: Cylinder, types: []string{"aws_s3_bucket"}, detail: lines("Terraform state")},
	{id: "backup", name: "AWS Backup vault", group: accountGroup, shape: Cylinder, types: []string{"aws_backup_vault"}},

	{id: "route53", name: "Route 53", group: environmentGroup, types: []string{"aws_route53_record"}, detail: domainDetail},
	{id: "shield", name: "Shield Advanced", group: environmentGroup, types: []string{"aws_shield_protection"}},
	{id: "waf", name: "AWS WAF", group: environmentGroup, types: []string{"aws_wafv2_web_acl"}, detail: count("aws_wafv2_web_acl", "web ACL")},
	{id: "cloudfront", name: "CloudFront distribution", group: environmentGroup, types: []string{"aws_cloudfront_distribution"}},
	{id: "frontend", name: "S3 bucket", group: environmentGroup, shape: Cylinder, types: []string{"aws_s3_bucket"}, detail: lines("frontend")},
	{id: "ecr", name: "ECR repository", group: environmentGroup, shape: Cylinder, types: []string{"aws_ecr_repository"}},
	{id: "ssm", name: "SSM parameters", group: environmentGroup, shape: Cylinder, types: []string{"aws_ssm_parameter"}},
	{id: "eventbridge", name: "EventBridge", group: environmentGroup, types: []string{"aws_cloudwatch_event_rule"}, detail: count("aws_cloudwatch_event_rule", "rule")},
	{id: "lambda", name: "Lambda function", group: environmentGroup, types: []string{"aws_lambda_function"}, detail: lines("rotation")},
	{id: "secrets", name: "Secrets Manager", group: environmentGroup, shape: Cylinder, types: []string{"aws_secretsmanager_secret"}, detail: count("aws_secretsmanager_secret", "secret")},
	{id: "schedule", name: "Scheduled scaling", group: environmentGroup, types: []string{"aws_autoscaling_schedule"}, detail: count("aws_autoscaling_schedule", "action")},
	{id: "load_balancer", name: "Application Load Balancer", group: vpcGroup, types: []string{"aws_lb"}, detail: openPorts("aws_lb")},
	{id: "nat", name: "NAT gateway", group: vpcGroup, types: []string{"aws_nat_gateway"}, detail: several("aws_nat_gateway", "NAT gateway")},
	{id: "endpoint", name: "VPC endpoint", group: vpcGroup, types: []string{"aws_vpc_endpoint"}, detail: lines("PrivateLink")},
	{id: "peering", name: "VPC peering connection", group: vpcGroup, types: []string{"aws_vpc_peering_connection_accepter"}},
	{id: "instances", name: "Auto Scaling group", group: vpcGroup, types: []string{"aws_autoscaling_group"}, detail: instancesDetail},
	{id: "cache", name: "ElastiCache", group: vpcGroup, shape: Cylinder, types: []string{"aws_elasticache_replication_group"}, detail: cacheDetail},
	{id: "xray", name: "X-Ray", group: environmentGroup, types: []string{"aws_xray_group"}},
	{id: "cloudwatch", name: "CloudWatch", group: environmentGroup, types: []string{"aws_cloudwatch_log_group", "aws_cloudwatch_metric_alarm"}, detail: cloudWatchDetail},
	{id: "sns", name: "SNS", group: environmentGroup, types: []string{"aws_sns_topic"}, detail: count("aws_sns_topic", "topic")},
}

// New is the picture of an environment, from the cdk.tf.json of its stack and of its account's bootstrap stack. Without a bootstrap
// stack, nil, the picture has no account.
func New(environment, bootstrap []byte) (*Picture, error) {
	s, err := read(environment)
	if err != nil {
		return nil, fmt.Errorf("stack of the environment: %w", err)
	}
	account, err := read(bootstrap)
	if err != nil {
		return nil, fmt.Errorf("bootstrap stack: %w", err)
	}
	p := &Picture{}
	p.addGroups(s, account)
	p.addNodes(s, account)
	p.addEdges(s, account)
	p.removeUnconnected()
	p.addRoles(s, account)
	return p, nil
}

// addGroups adds the groups. Subnets whose route table has a route to an internet gateway are public.
func (p *Picture) addGroups(s, account stack) {
	region, _ := s.provider()["region"].(string)
	p.Groups = append(p.Groups, Group{ID: environmentGroup, Label: "Environment " + s.environment()})
	for _, vpc := range s.ofType("aws_vpc") {
		p.Groups = append(p.Groups, Group{ID: vpcGroup, Parent: environmentGroup, Label: "VPC " + vpc.text("cidr_block") + ", " + region})
	}
	for _, tier := range []Group{{publicGroup, vpcGroup, "Public subnets"}, {privateGroup, vpcGroup, "Private subnets"}} {
		var zones []string
		for _, subnet := range s.ofType("aws_subnet") {
			if s.tier(subnet.address) == tier.ID {
				zones = append(zones, subnet.text("availability_zone"))
			}
		}
		if len(zones) > 0 {
			tier.Label += "\n" + strings.Join(zones, "\n")
			p.Groups = append(p.Groups, tier)
		}
	}
	if len(account.resources) > 0 {
		p.Groups = append(p.Groups, Group{ID: accountGroup, Label: "AWS account"})
	}
}

// addNodes adds the components that the stacks have, and who is outside of AWS.
func (p *Picture) addNodes(s, account stack) {
	p.Nodes = append(p.Nodes, Node{ID: "viewer", Label: []string{"Viewer"}, Shape: Person})
	if len(s.databaseWays()) > 0 {
		p.Nodes = append(p.Nodes, Node{ID: "atlas", Label: []string{"MongoDB Atlas"}, Shape: Cylinder})
	}
	for _, c := range components {
		from := s
		if c.group == accountGroup {
			from = account
		}
		resources := from.drawn(c)
		if len(resources) == 0 {
			continue
		}
		n := Node{ID: c.id, Group: c.group, Label: []string{c.name}, Shape: c.shape}
		if c.group == vpcGroup {
			n.Group = from.groupOf(resources[0])
		}
		if c.detail != nil {
			n.Label = append(n.Label, c.detail(from)...)
		}
		p.Nodes = append(p.Nodes, n)
	}
	if len(s.ofType("aws_sns_topic")) > 0 {
		p.Nodes = append(p.Nodes, Node{ID: "people", Label: []string{"Operators"}, Shape: Person})
	}
}

// drawn is the resources of a stack that a component is the node of.
func (s stack) drawn(c component) []resource {
	var found []resource
	for _, kind := range c.types {
		for _, r := range s.ofType(kind) {
			if c.id != "endpoint" || r.text("vpc_endpoint_type") == "Interface" { // a gateway endpoint is a route
				found = append(found, r)
			}
		}
	}
	return found
}

// has reports whether the picture has a node or group.
func (p *Picture) has(id string) bool {
	return slices.ContainsFunc(p.Nodes, func(n Node) bool { return n.ID == id }) ||
		slices.ContainsFunc(p.Groups, func(g Group) bool { return g.ID == id })
}

// addEdge adds an edge between nodes that the picture has. A second edge between the same nodes adds to the label of the first. What the
// nodes in the network send to CloudWatch is one edge.
func (p *Picture) addEdge(from, to, label string) {
	if to == "cloudwatch" && slices.Contains(p.path(from), vpcGroup) {
		from = vpcGroup
	}
	if from == to || !p.has(from) || !p.has(to) {
		return
	}
	i := slices.IndexFunc(p.Edges, func(e Edge) bool { return e.From == from && e.To == to })
	if i < 0 {
		p.Edges = append(p.Edges, Edge{from, to, label})
		return
	}
	if labels := strings.Split(p.Edges[i].Label, ", "); !slices.Contains(labels, label) {
		p.Edges[i].Label += ", " + label
	}
}

// removeUnconnected removes the nodes without an edge, and the groups that are empty then.
func (p *Picture) removeUnconnected() {
	inside := map[string]bool{}
	p.Nodes = slices.DeleteFunc(p.Nodes, func(n Node) bool {
		if !slices.ContainsFunc(p.Edges, func(e Edge) bool { return e.From == n.ID || e.To == n.ID }) {
			return true
		}
		for _, id := range p.path(n.ID) {
			inside[id] = true
		}
		return false
	})
	p.Groups = slices.DeleteFunc(p.Groups, func(g Group) bool { return !inside[g.ID] })
}

// path is the groups of a node or group from the outside, and itself.
func (p *Picture) path(id string) []string {
	for _, n := range p.Nodes {
		if n.ID == id {
			return append(p.path(n.Group), id)
		}
	}
	for _, g := range p.Groups {
		if g.ID == id {
			return append(p.path(g.Parent), id)
		}
	}
	return nil
}
