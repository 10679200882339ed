package lint

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// The tests compare the policies of GitHub Actions' roles with AWS's Service Authorization Reference.

const (
	planRole   = "aws_iam_role.plan_role"
	deployRole = "aws_iam_role.deploy_role"
	reviewRole = "aws_iam_role.review_role"
)

func roleStatements(t *testing.T, role string) []statement {
	t.Helper()
	return harness.Variants(t).Stack(t, "bootstrap").AttachedStatements(t, role)
}

// A statement allows nothing if its resources are of other types than the action's, or if its condition keys are not
// available for the action.
func TestEveryAllowedActionHasAnEffect(t *testing.T) {
	t.Parallel()
	services := harness.ReadServiceReference(t)
	for _, role := range []string{planRole, deployRole, reviewRole} {
		statements := roleStatements(t, role)
		for _, name := range harness.Actions(statements) {
			if harness.UnlistedActions[name] != "" {
				continue
			}
			isAllowed := func(kind string) bool {
				arn, keys := describeType(services, name, kind)
				return slices.ContainsFunc(statements, func(s statement) bool {
					return slices.Contains(s.Action, name) && s.Covers(arn) && hasOnlyKeys(s, keys)
				})
			}
			required, optional := 0, []string{}
			for kind, properties := range services.Action(t, name).Types {
				switch {
				case kind == "", kind == "listener/net": // there are no network load balancers
				case name == "iam:GenerateServiceLastAccessedDetails" && kind != "role": // the report is of one entity
				case !properties.Required:
					optional = append(optional, kind)
				default:
					required++
					if !isAllowed(kind) {
						t.Errorf("%s: %s is allowed on no %s", role, name, kind)
					}
				}
			}
			if required+len(optional) == 0 {
				optional = []string{""} // the action does not support resources, only *
			}
			if required == 0 && !slices.ContainsFunc(optional, isAllowed) {
				t.Errorf("%s: %s is allowed on none of %q", role, name, optional)
			}
		}
	}
}

// describeType returns the ARN of a resource type, with * for its variable parts, and the condition keys of an action on it.
// The ARN of the type "" is empty, which only * covers.
func describeType(services harness.ServiceReference, action, kind string) (arn string, keys []string) {
	service, short, _ := strings.Cut(action, ":")
	types, resource := services[service].Privileges[short].Types, services[service].Resources[kind]
	format := strings.NewReplacer("${Partition}", "aws", "${Region}", "eu-west-1", "${Account}", "123456789012").Replace(resource.ARN)
	for i, part := range strings.Split(format, "${") {
		if _, rest, ok := strings.Cut(part, "}"); ok && i > 0 {
			part = "*" + rest
		}
		arn += part
	}
	return arn, slices.Concat(resource.Conditions, types[kind].Conditions, types[""].Conditions)
}

// hasOnlyKeys reports whether all condition keys of a statement are among the available ones. Null accepts any key.
func hasOnlyKeys(s statement, keys []string) bool {
	for operator, condition := range s.Condition {
		for key := range condition {
			if prefix, _, isTag := strings.Cut(key, "Tag/"); isTag {
				key = prefix + "Tag/${TagKey}"
			}
			if !slices.Contains(keys, key) && operator != "Null" {
				return false
			}
		}
	}
	return true
}

func TestAReviewOnlyReads(t *testing.T) {
	t.Parallel()
	services := harness.ReadServiceReference(t)
	for _, name := range harness.Actions(roleStatements(t, reviewRole)) {
		if level := services.Action(t, name).Level; level != "Read" && level != "List" {
			t.Errorf("%s has the access level %s", name, level)
		}
	}
}

// broadStatements is statements that allow writing to resources of other projects, and why IAM cannot limit them further.
var broadStatements = map[string]string{
	"ManageLogDelivery":            "AWS chooses the id of a delivery, and IAM cannot compare its tags; source and destination are limited by name",
	"TagDefaultSecurityGroup":      "the default security group of a new VPC has no tags; so every security group with neither this tag nor a name can be adopted",
	"AssociateEndpointHostedZone":  "the hosted zone of an endpoint's private name is AWS's",
	"ManageCloudFrontPolicies":     "CloudFront's policies and identities have neither names in their ARNs nor tags",
	"RunInstancesFromTemplateOnly": "a new instance has no tags; RunInstancesFromProject allows the project's templates, groups and subnets only",
	"ManageLogResourcePolicies":    "the actions do not support resources",
	"ManageQueryDefinitions":       "the actions do not support resources; a saved query gives no access to logs",
	"CreateDistribution":           "the action does not support tags, and a new distribution has no name",
	"ChangeAliasRecords":           "the zones and the records are those of the environment files",
	"ChangeValidationRecords":      "the zones are those of the environment files, and the records those of their certificates",
	"CreateOriginAccessControl":    "the action does not support resources; an origin access control gives no access by itself",
	"CreateServiceLinkedRoles":     "AWS chooses the names; the four services are listed",
	"TagNewCertificate":            "a new certificate has no tag; so a certificate that belongs to no project can be adopted",
	"TagNewDistribution":           "a new distribution has no tag; so a distribution that belongs to no project can be adopted",
	"TagNewTopicKey":               "a new key has no tag; so a key that belongs to no project and whose policy delegates to IAM can be adopted",
	"Unsubscribe":                  "the action does not support resources",
}

func TestDeployWritesOnlyToTheProjectsResources(t *testing.T) {
	t.Parallel()
	services := harness.ReadServiceReference(t)
	broad := map[string]bool{}
	for _, s := range roleStatements(t, deployRole) {
		requires := func(key string) bool { return s.Condition["StringEquals"][key] != nil && s.Condition["Null"] == nil }
		for _, pattern := range s.Resource {
			hasName := strings.Contains(pattern, "starttech") || strings.Contains(pattern, "${aws_") ||
				strings.HasSuffix(pattern, ":parametergroup:default.*") // AWS's, which a cache uses
			for _, name := range s.Action {
				if strings.Contains(name, "*") {
					t.Errorf("%s allows %s", s.Sid, name)
				}
				action := services.Action(t, name)
				if hasName || action.Level == "Read" || action.Level == "List" || requires("aws:ResourceTag/project") {
					continue
				}
				// Tagging an existing resource would make it the project's.
				if requires("aws:RequestTag/project") && (action.Level != "Tagging" || requires("ec2:CreateAction")) {
					continue
				}
				broad[s.Sid] = true
				if broadStatements[s.Sid] == "" {
					t.Errorf("%s allows %s on %s", s.Sid, name, pattern)
				}
			}
		}
	}
	harness.EqualSets(t, "broad statements", slices.Collect(maps.Keys(broad)), slices.Collect(maps.Keys(broadStatements)))
}

// unneededActions is dependent actions of the reference that AWS does not require here, and why.
var unneededActions = map[string]string{
	"ec2:CreateNetworkInterface": "ElastiCache creates network interfaces with its service-linked role",
	"ec2:DeleteNetworkInterface": "as above",
	"ecs:ListClusters":           "for flow logs with fields of ECS",
	"ecs:ListContainerInstances": "as above",
	"ecs:ListServices":           "as above",
	"ecs:ListTaskDefinitions":    "as above",
	"ecs:ListTasks":              "as above",
	"ssm:GetParameters":          "for a launch template with a parameter instead of an image",
	"kms:PutKeyPolicy":           "the policy of the new key allows it (https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html)",
}

// A resource has no tag yet while it is created.
func TestDependentActionsAreAllowedWithoutATag(t *testing.T) {
	t.Parallel()
	services, statements := harness.ReadServiceReference(t), roleStatements(t, deployRole)
	dependents := 0
	for _, name := range harness.Actions(statements) {
		for _, kind := range services.Action(t, name).Types {
			for _, dependent := range kind.Dependent {
				dependents++
				if unneededActions[dependent] == "" && !slices.ContainsFunc(statements, func(s statement) bool {
					return slices.Contains(s.Action, dependent) && s.Condition["StringEquals"]["aws:ResourceTag/project"] == nil
				}) {
					t.Errorf("%s requires %s, which no statement allows without a tag on the resource", name, dependent)
				}
			}
		}
	}
	if dependents == 0 {
		t.Error("found no dependent actions")
	}
}

func TestADeployMayDoWhatAWSDocumentsElsewhere(t *testing.T) {
	t.Parallel()
	ownStatements := roleStatements(t, deployRole)
	allowed := harness.Actions(ownStatements)
	keyStatements := slices.DeleteFunc(harness.Variants(t).Stack(t, "production").Resource(t, "aws_kms_key.alarms_key").Statements(t, "policy"), func(s statement) bool {
		return !slices.Contains(s.Principal["AWS"], config.DeployRoleARN("123456789012"))
	})
	for _, d := range harness.DocumentedNeeds {
		if !strings.HasPrefix(d.Source, "https://docs.aws.amazon.com/") {
			t.Errorf("%s: %q is not an address of AWS's documentation", d.Action, d.Source)
		}
		if !strings.Contains(d.Action, ":") {
			continue // a service, whose role test/claims tests
		}
		if !slices.Contains(allowed, d.Action) {
			t.Errorf("no role calls %s, whose needs are documented", d.Action)
		}
		statements := ownStatements
		if d.ByKey {
			statements = keyStatements
		}
		for _, needed := range d.AlsoNeeds {
			if !slices.ContainsFunc(statements, func(s statement) bool {
				return slices.Contains(s.Action, needed) && (d.On == "" || slices.Contains(s.Resource, "*") || s.Covers(d.On)) && d.IsMetBy(s.Condition)
			}) {
				t.Errorf("%s also needs %s on %q (%s)", d.Action, needed, d.On, d.Source)
			}
		}
	}
}

func TestPlanOnlyReads(t *testing.T) {
	t.Parallel()
	services := harness.ReadServiceReference(t)
	for _, s := range roleStatements(t, planRole) {
		for _, name := range s.Action {
			level := services.Action(t, name).Level
			if level != "Read" && level != "List" {
				t.Errorf("%s allows %s, whose access level is %s", s.Sid, name, level)
			}
		}
	}
}
