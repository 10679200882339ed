package githubroles

import (
	"slices"
	"strings"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// part is what the pipelines may do with one part of the architecture. Each part has a file. Resources are selected by
// name, which begins with the project's, or by the tag project, which the provider puts on everything, if AWS chooses the
// name. If IAM supports neither for an action, the action has a statement of its own. What each action supports:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
type part struct {
	id string // of the deploy role's policy for this part: "network"; optional parts share one

	planUnscoped []string           // plan: actions that do not support resource-level permissions
	plan         []policy.Statement // plan and deploy: what Terraform reads to plan an environment
	deploy       []policy.Statement // deploy: what an apply creates, changes and deletes

	// The permissions boundaries: the most that the instances' role of an environment, the roles for releases and flow logs, and the role
	// that rotates secrets can be allowed.
	instanceUnscoped []string // actions that do not support resource-level permissions
	instance         []policy.Statement
	deliveryUnscoped []string
	delivery         []policy.Statement
	rotationUnscoped []string
	rotation         []policy.Statement

	bootstrap []policy.Statement // plan: what Terraform reads of the part in the bootstrap stack

	suppressions []suppression // of findings about the deploy statements
}

// optional is the id of the parts that no environment has to have. If no environment of the account has a part, the part is empty, so that
// nothing is allowed for it. Their statements are in two policies of their own, of which the roles have room for: "optional_read", and an
// inline policy of the deploy role.
const optional = "optional"

// anyHas reports whether an environment of the account has a block.
func (c Config) anyHas(block func(config.Environment) bool) bool {
	return slices.ContainsFunc(c.Environments, block)
}

type suppression struct {
	reason string
	rules  []string
}

// parts are in the order of the stack.
func parts(a account, c Config) []part {
	return []part{
		network(a), compute(a), frontend(a, c), data(a, c), monitoring(a), roles(a),
		schedule(a, c), database(a, c), traces(a, c), instanceMetrics(c), guardDuty(a, c), budget(a, c), privateOrigin(a, c), accessLogs(a, c),
		secrets(a, c), cacheUsers(a, c), backup(a, c), snapshots(a, c), firewall(a, c), shield(a, c),
	}
}

// split separates the optional parts from the others.
func split(parts []part) (required, optionals []part) {
	for _, p := range parts {
		switch p.id {
		case "":
		case optional:
			optionals = append(optionals, p)
		default:
			required = append(required, p)
		}
	}
	return required, optionals
}

// merge merges the deploy statements of parts with the same id. A part that no environment uses is empty.
func merge(parts []part) []part {
	var merged []part
	for _, p := range parts {
		i := slices.IndexFunc(merged, func(other part) bool { return other.id == p.id })
		switch {
		case len(p.deploy) == 0:
		case i < 0:
			merged = append(merged, part{id: p.id, deploy: p.deploy, suppressions: p.suppressions})
		default:
			merged[i].deploy = append(merged[i].deploy, p.deploy...)
			merged[i].suppressions = append(merged[i].suppressions, p.suppressions...)
		}
	}
	return merged
}

// planStatements is what Terraform reads to plan an environment. It does not read what the environment stores: no object of
// the frontend bucket, no log event, and of the parameters only the release.
func planStatements(parts []part) []policy.Statement {
	var unscoped []string
	var statements []policy.Statement
	for _, p := range parts {
		unscoped = append(unscoped, p.planUnscoped...)
		statements = append(statements, p.plan...)
	}
	if len(unscoped) > 0 {
		statements = append([]policy.Statement{noResourceLevelPermissions(unscoped)}, statements...)
	}
	return statements
}

// boundaryStatements is the boundaries: the most that the roles of an environment can be allowed, whatever their own
// policies say. It is what instances need, what releases and flow logs need, and what rotations need, in any environment
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html). rotation is empty if nothing is rotated.
func boundaryStatements(parts []part) (instance, delivery, rotation []policy.Statement) {
	var instanceUnscoped, deliveryUnscoped, rotationUnscoped []string
	for _, p := range parts {
		instanceUnscoped = append(instanceUnscoped, p.instanceUnscoped...)
		instance = append(instance, p.instance...)
		deliveryUnscoped = append(deliveryUnscoped, p.deliveryUnscoped...)
		delivery = append(delivery, p.delivery...)
		rotationUnscoped = append(rotationUnscoped, p.rotationUnscoped...)
		rotation = append(rotation, p.rotation...)
	}
	if len(rotation) > 0 {
		rotation = append(rotation, noResourceLevelPermissions(rotationUnscoped))
	}
	return append(instance, noResourceLevelPermissions(instanceUnscoped)), append(delivery, noResourceLevelPermissions(deliveryUnscoped)), rotation
}

func noResourceLevelPermissions(actions []string) policy.Statement {
	slices.Sort(actions)
	return policy.Statement{
		Sid:      "NoResourceLevelPermissions",
		Effect:   policy.Allow,
		Action:   actions,
		Resource: []string{"*"},
	}
}

var (
	// withProjectTag is a request that sets the project's tag.
	withProjectTag = policy.Condition{"StringEquals": {"aws:RequestTag/project": {config.Project}}}
	// withFirstProjectTag is a request that sets it on a resource that has no tag of that name yet: a new one, or one that
	// belongs to no project. Another project's cannot be taken over.
	withFirstProjectTag = policy.Condition{
		"StringEquals": withProjectTag["StringEquals"],
		"Null":         {"aws:ResourceTag/project": {"true"}},
	}
	// onProjectTag is a resource that has it.
	onProjectTag = policy.Condition{"StringEquals": {"aws:ResourceTag/project": {config.Project}}}
)

// account is an account and a region, to format ARNs.
type account struct{ id, region string }

// arn is the ARN of a resource in the region: arn("ec2", "vpc/*").
func (a account) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + a.region + ":" + a.id + ":" + resource
}

// globalARN is the ARN of a resource of a service without regions: globalARN("iam", "role/starttech-plan").
func (a account) globalARN(service, resource string) string {
	return "arn:aws:" + service + "::" + a.id + ":" + resource
}

// prefixed is a physical name: prefixed("*") is all of the project's.
func prefixed(suffix string) string { return config.Project + "-" + suffix }

// pathPrefixed is the name of a log group or a parameter: pathPrefixed("*") is all of the environments'.
func pathPrefixed(suffix string) string { return "/" + config.Project + "/" + suffix }

// ec2Names is actions of EC2 without the service, as the condition key ec2:CreateAction has them.
func ec2Names(actions []string) []string {
	var names []string
	for _, action := range actions {
		names = append(names, strings.TrimPrefix(action, "ec2:"))
	}
	return names
}
