package diagram

import (
	"encoding/json"
	"slices"
	"strings"
)

// Role is an IAM role: who may assume it, and what it may do.
type Role struct {
	ID, Name  string
	AssumedBy [][2]string // rows of a name and a value
	Grants    [][2]string // rows of what, and the verbs
}

// statement is a statement of an IAM policy.
type statement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string
}

// statements is the policy document in an attribute.
func (r resource) statements(attribute string) []statement {
	var document struct{ Statement []statement }
	_ = json.Unmarshal([]byte(r.text(attribute)), &document) // what is no document has no statements
	return document.Statement
}

// action is an IAM action that is shown.
type action struct {
	name, service, verb string

	node, flow string // the arrow from an instance or a function that may use the action; empty: none
}

// actions are the actions of the roles of an environment that are shown, at least one of each service.
var actions = []action{
	{name: "ecr:BatchGetImage", service: "ECR repository", verb: "pull", node: "ecr", flow: "images"},
	{name: "ecr:PutImage", service: "ECR repository", verb: "push"},
	{name: "ssm:GetParameter", service: "SSM parameters", verb: "read", node: "ssm", flow: "parameters"},
	{name: "ssm:PutParameter", service: "SSM parameters", verb: "write"},
	{name: "ssmmessages:OpenDataChannel", service: "Session Manager", verb: "connect"},
	{name: "secretsmanager:GetSecretValue", service: "Secrets Manager", verb: "read", node: "secrets", flow: "secrets"},
	{name: "secretsmanager:PutSecretValue", service: "Secrets Manager", verb: "rotate", node: "secrets", flow: "rotation"},
	{name: "elasticache:ModifyUser", service: "ElastiCache", verb: "change password", node: "cache", flow: "password"},
	{name: "s3:GetObject", service: "S3 bucket", verb: "read"},
	{name: "s3:PutObject", service: "S3 bucket", verb: "write"},
	{name: "s3:DeleteObject", service: "S3 bucket", verb: "delete"},
	{name: "cloudfront:CreateInvalidation", service: "CloudFront distribution", verb: "invalidate"},
	{name: "autoscaling:StartInstanceRefresh", service: "Auto Scaling group", verb: "refresh instances", node: "instances", flow: "instance refresh"},
	{name: "logs:PutLogEvents", service: "CloudWatch Logs", verb: "write", node: "cloudwatch", flow: "logs"},
	{name: "cloudwatch:PutMetricData", service: "CloudWatch metrics", verb: "write", node: "cloudwatch", flow: "metrics"},
	{name: "xray:PutTraceSegments", service: "X-Ray", verb: "write", node: "xray", flow: "traces"},
}

// holder is a role, and the node that has it. The node of a role that GitHub's workflows assume is empty.
type holder struct {
	role resource
	node string
}

// holders are the roles that are shown: of the instances, of the functions, and of GitHub's workflows. The other ones are roles of services
// of AWS, as that of the flow logs.
func (s stack) holders() []holder {
	var found []holder
	for _, role := range s.ofType("aws_iam_role") {
		switch {
		case slices.ContainsFunc(s.ofType("aws_iam_instance_profile"), func(r resource) bool { return r.refersTo(role.address) }):
			found = append(found, holder{role, "instances"})
		case slices.ContainsFunc(s.ofType("aws_lambda_function"), func(r resource) bool { return r.refersTo(role.address, "role") }):
			found = append(found, holder{role, "lambda"})
		case role.workflows() != nil:
			found = append(found, holder{role, ""})
		}
	}
	return found
}

// use is an action that a role may use.
type use struct {
	by     holder
	action action
}

// uses are the shown actions of the roles of an environment.
func (s stack) uses() []use {
	var found []use
	for _, h := range s.holders() {
		allowed := s.allowed(h.role)
		for _, a := range actions {
			if slices.ContainsFunc(allowed, func(s statement) bool { return slices.Contains(s.Action, a.name) }) {
				found = append(found, use{h, a})
			}
		}
	}
	return found
}

// allowed is what the policies of a role allow.
func (s stack) allowed(role resource) []statement {
	var found []statement
	for _, policy := range s.ofType("aws_iam_role_policy") {
		if policy.refersTo(role.address, "role") {
			found = append(found, policy.statements("policy")...)
		}
	}
	for _, attachment := range s.ofType("aws_iam_role_policy_attachment") {
		for _, policy := range s.ofType("aws_iam_policy") {
			if attachment.refersTo(role.address, "role") && attachment.refersTo(policy.address, "policy_arn") {
				found = append(found, policy.statements("policy")...)
			}
		}
	}
	return slices.DeleteFunc(found, func(s statement) bool { return s.Effect != "Allow" })
}

// workflows is the GitHub repository whose workflows may assume a role, and for what; nil if none may.
func (r resource) workflows() [][2]string {
	var repository, workflow string
	var jobs, environments []string
	for _, s := range r.statements("assume_role_policy") {
		for _, conditions := range s.Condition {
			for key, values := range conditions {
				for _, value := range values {
					kind, rest, _ := strings.Cut(key, ":")
					if kind != "token.actions.githubusercontent.com" {
						continue
					}
					switch rest {
					case "repository":
						repository = value
					case "job_workflow_ref":
						file, _, _ := strings.Cut(value, "@")
						workflow = strings.Replace(file, "/.github/workflows/", ": ", 1)
					case "ref":
						jobs = append(jobs, branch(value))
					case "sub":
						_, subject, _ := strings.Cut(strings.TrimPrefix(value, "repo:"), ":")
						if environment, ok := strings.CutPrefix(subject, "environment:"); ok {
							environments = append(environments, environment)
						} else if subject == "pull_request" {
							jobs = append(jobs, "pull requests")
						} else if ref, ok := strings.CutPrefix(subject, "ref:"); ok {
							jobs = append(jobs, branch(ref))
						}
					}
				}
			}
		}
	}
	if repository == "" {
		return nil
	}
	rows := [][2]string{{"assumed by", "GitHub Actions"}, {"repository", repository}}
	if workflow != "" {
		rows = append(rows, [2]string{"workflow", workflow})
	}
	if jobs = compact(jobs); len(jobs) > 0 {
		rows = append(rows, [2]string{"jobs", strings.Join(jobs, ", ")})
	}
	if environments = compact(environments); len(environments) > 0 {
		rows = append(rows, [2]string{"environments", strings.Join(environments, ", ")})
	}
	return rows
}

func branch(ref string) string { return "branch " + strings.TrimPrefix(ref, "refs/heads/") }

func compact(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// addRoles adds the roles of the environment and of the account.
func (p *Picture) addRoles(s, account stack) {
	for _, h := range s.holders() {
		role := newRole(h)
		for _, u := range s.uses() {
			if u.by.role.address == h.role.address {
				role.grant(u.action.service, u.action.verb)
			}
		}
		p.Roles = append(p.Roles, role)
	}
	for _, h := range account.holders() {
		role := newRole(h)
		allowed := account.allowed(h.role)
		for _, service := range []struct{ kind, name string }{
			{"aws_s3_bucket", "Terraform state"}, {"aws_dynamodb_table", "Terraform lock"}, {"", "the project's resources"},
		} {
			for _, v := range verbs {
				for _, each := range allowed {
					if kindOf(each.Resource) == service.kind && slices.ContainsFunc(each.Action, v.isOf) {
						role.grant(service.name, v.name)
					}
				}
			}
		}
		p.Roles = append(p.Roles, role)
	}
}

func newRole(h holder) Role {
	_, id, _ := strings.Cut(h.role.address, ".")
	role := Role{ID: id, Name: h.role.text("name")}
	switch h.node {
	case "instances":
		role.AssumedBy = [][2]string{{"assumed by", "EC2 instances"}}
	case "lambda":
		role.AssumedBy = [][2]string{{"assumed by", "Lambda function"}}
	default:
		role.AssumedBy = h.role.workflows()
	}
	return role
}

// grant adds a verb to the row of a service.
func (r *Role) grant(service, verb string) {
	i := slices.IndexFunc(r.Grants, func(row [2]string) bool { return row[0] == service })
	if i < 0 {
		r.Grants = append(r.Grants, [2]string{service, verb})
	} else if !slices.Contains(strings.Split(r.Grants[i][1], ", "), verb) {
		r.Grants[i][1] += ", " + verb
	}
}

// verb is what the actions do whose names, without the service, start with one of the prefixes.
type verb struct {
	name     string
	prefixes []string
}

var verbs = []verb{
	{"read", []string{"Describe", "Get", "List"}},
	{"create", []string{"Create"}},
	{"write", []string{"Put", "Update", "Modify"}},
	{"delete", []string{"Delete"}},
}

func (v verb) isOf(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	return slices.ContainsFunc(v.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// kindOf is the type of the resources of the account that a statement is about: those of Terraform's state. Empty: the project's.
func kindOf(resources []string) string {
	for _, kind := range []string{"aws_s3_bucket", "aws_dynamodb_table"} {
		if strings.Contains(strings.Join(resources, " "), "${"+kind+".") {
			return kind
		}
	}
	return ""
}
