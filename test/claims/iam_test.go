package claims

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/test/internal/harness"
)

const instanceRole = "aws_iam_role.instance_role"

// on is the grants of actions on a resource.
func on(target string, actions ...string) []string {
	var grants []string
	for _, action := range actions {
		grants = append(grants, action+" on "+target)
	}
	return grants
}

var sessionManager = on("*", "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
	"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel")

// unscoped is the grants on everything: their actions do not support resource-level permissions.
var unscoped = slices.Concat(on("*", "autoscaling:DescribeInstanceRefreshes", "ecr:GetAuthorizationToken", "logs:DescribeLogGroups"), sessionManager,
	sendTraces, sendMetrics)

// The agent's. The second has a condition on the namespace.
var (
	sendTraces  = on("*", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments")
	sendMetrics = on("*", "cloudwatch:PutMetricData")
)

func TestEachRoleOfAnEnvironmentMayDoItsWorkOnly(t *testing.T) {
	repository := ref("aws_ecr_repository.backend_images", "arn")
	files := ref("aws_s3_bucket.frontend", "arn")
	release := ref("aws_ssm_parameter.release", "arn")
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		parameters := "arn:aws:ssm:" + e.Region + ":" + e.Account + ":parameter" + e.PathPrefix() + "/backend"
		want := map[string][]string{
			instanceRole: slices.Concat(
				on("*", "ecr:GetAuthorizationToken"),
				on(repository, "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
				on(ref("aws_cloudwatch_log_group.backend_logs", "arn")+":*", "logs:CreateLogStream", "logs:PutLogEvents"),
				on(files, "s3:ListBucket"), on(files+"/*", "s3:GetObject"),
				on(release, "ssm:GetParameter"), on(parameters, "ssm:GetParametersByPath"), on(parameters+"/*", "ssm:GetParametersByPath"),
			),
			"aws_iam_role.release_role": slices.Concat(
				on("*", "ecr:GetAuthorizationToken", "autoscaling:DescribeInstanceRefreshes"),
				on(repository, "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
					"ecr:DescribeImageScanFindings", "ecr:DescribeImages", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"),
				on(release, "ssm:GetParameter", "ssm:PutParameter"),
				on(ref("aws_autoscaling_group.backend", "arn"), "autoscaling:CancelInstanceRefresh", "autoscaling:StartInstanceRefresh"),
				on(files, "s3:ListBucket"), on(files+"/*", "s3:DeleteObject", "s3:PutObject"),
				on(ref(distribution, "arn"), "cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"),
			),
		}
		if e.Backend.SessionManager {
			want[instanceRole] = append(want[instanceRole], sessionManager...)
		}
		if e.Tracing != nil {
			want[instanceRole] = append(want[instanceRole], sendTraces...)
		}
		if e.Backend.InstanceMetrics {
			want[instanceRole] = append(want[instanceRole], sendMetrics...)
		}
		if e.Network.FlowLogs {
			for _, action := range harness.FlowLogsNeeds() {
				target := ref("aws_cloudwatch_log_group.flow_logs_group", "arn") + ":*"
				if action == "logs:DescribeLogGroups" {
					target = "*"
				}
				want["aws_iam_role.flow_logs_role"] = append(want["aws_iam_role.flow_logs_role"], on(target, action)...)
			}
		}
		if e.Secrets != nil {
			addSecretsGrants(e, want)
		}
		equal(t, "roles", len(s.OfType("aws_iam_role")), len(want))
		for role := range s.OfType("aws_iam_role") {
			got := s.Grants(t, role)
			equalSets(t, role, got, want[role])
			for _, grant := range got {
				action, target, _ := strings.Cut(grant, " on ")
				if strings.Contains(action, "*") || target == "*" && !slices.Contains(unscoped, grant) {
					t.Errorf("%s: %s", role, grant)
				}
			}
		}
	})
}

func TestThereIsNoUserNoKeyAndNoForeignPolicy(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		for address, r := range s.Resources() {
			switch kind, _, _ := strings.Cut(address, "."); kind {
			case "aws_iam_user", "aws_iam_access_key":
				t.Errorf("there is %s", address)
			case "aws_iam_role":
				r.Want(t, nil, "managed_policy_arns")
				r.Want(t, nil, "inline_policy")
			case "aws_iam_role_policy_attachment":
				ofBackups := r.Text("role") == ref("aws_iam_role.backup_role", "name") // TestTheRoleOfBackupsReadsAndRestoresBucketsOnly
				if !strings.HasPrefix(r.Text("policy_arn"), "${aws_iam_policy.") && !ofBackups {
					t.Errorf("%s attaches %s", address, r.Text("policy_arn"))
				}
			}
		}
	})
}

func TestARoleOfAServiceIsAssumedByThatServiceOnly(t *testing.T) {
	services := map[string]string{
		instanceRole: "ec2.amazonaws.com", "aws_iam_role.flow_logs_role": "vpc-flow-logs.amazonaws.com", rotationRole: "lambda.amazonaws.com",
	}
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		conditions := map[string]map[string]map[string][]string{"aws_iam_role.flow_logs_role": {
			"StringEquals": {"aws:SourceAccount": {e.Account}},
			"ArnLike":      {"aws:SourceArn": {"arn:aws:ec2:" + e.Region + ":" + e.Account + ":vpc-flow-log/*"}},
		}}
		for address, role := range s.OfType("aws_iam_role") {
			if services[address] == "" {
				continue // assumed by GitHub: TestRolesTrustTheRepositoriesOfTheFile
			}
			equal(t, address, role.Statements(t, "assume_role_policy"), []statement{{
				Effect:    "Allow",
				Principal: map[string][]string{"Service": {services[address]}},
				Action:    []string{"sts:AssumeRole"},
				Condition: conditions[address],
			}})
		}
		_, template := s.Only(t, "aws_launch_template")
		profile := s.Resource(t, addressOf(template.Text("iam_instance_profile", "arn")))
		profile.Want(t, ref(instanceRole, "name"), "role")
	})
}

func TestRolesTrustTheRepositoriesOfTheFile(t *testing.T) {
	// trust is the condition of a role that GitHub's tokens assume, for a repository and the contexts of the token's subject.
	trust := func(repository string, id int, ref string, contexts ...string) map[string]map[string][]string {
		const github = "token.actions.githubusercontent.com:"
		owner, name, _ := strings.Cut(repository, "/")
		var subjects []string
		number := "*"
		if id != 0 {
			number = strconv.Itoa(id)
		}
		for _, context := range contexts {
			subjects = append(subjects, "repo:"+repository+":"+context, "repo:"+owner+"@*/"+name+"@"+number+":"+context)
		}
		exact := map[string][]string{github + "aud": {"sts.amazonaws.com"}, github + "repository": {repository}}
		if ref != "" {
			exact[github+"ref"] = []string{ref}
		}
		if id != 0 {
			exact[github+"repository_id"] = []string{number}
		}
		return map[string]map[string][]string{"StringEquals": exact, "StringLike": {github + "sub": subjects}}
	}
	check := func(t *testing.T, s stack, role string, condition map[string]map[string][]string) {
		t.Helper()
		equal(t, role, s.Resource(t, role).Statements(t, "assume_role_policy"), []statement{{
			Effect:    "Allow",
			Principal: map[string][]string{"Federated": {"arn:aws:iam::" + s.Environment().Account + ":oidc-provider/token.actions.githubusercontent.com"}},
			Action:    []string{"sts:AssumeRoleWithWebIdentity"},
			Condition: condition,
		}})
	}
	const main = "refs/heads/main"
	checkStack := func(t *testing.T, s stack) {
		e := s.Environment()
		if !s.IsBootstrap() {
			condition := trust(e.ApplicationRepository, e.ApplicationRepositoryID, main, "environment:"+s.Name)
			// Nothing but the workflow of this repository's main, which checks what the application calls it with.
			condition["StringEquals"]["token.actions.githubusercontent.com:job_workflow_ref"] = []string{e.Repository + "/.github/workflows/release.yml@" + main}
			check(t, s, "aws_iam_role.release_role", condition)
			return
		}
		var deploys []string
		for _, environment := range s.Environments() {
			deploys = append(deploys, "environment:"+environment.Name)
		}
		check(t, s, "aws_iam_role.plan_role", trust(e.Repository, e.RepositoryID, "", "pull_request", "ref:"+main))
		check(t, s, "aws_iam_role.deploy_role", trust(e.Repository, e.RepositoryID, main, deploys...))
		check(t, s, "aws_iam_role.review_role", trust(e.Repository, e.RepositoryID, "", "ref:"+main))
	}
	onEveryStack(t, checkStack)
	for _, name := range []string{"bootstrap-999999999999", "elsewhere"} { // with ids of the repositories
		checkStack(t, harness.Extremes(t).Stack(t, name))
	}
}

func TestGitHubsProviderIsCreatedUnlessTheAccountHasIt(t *testing.T) {
	s := variant(t, "bootstrap")
	_, provider := s.Only(t, "aws_iam_openid_connect_provider")
	provider.Want(t, "https://token.actions.githubusercontent.com", "url")
	equal(t, "audiences", provider.Strings("client_id_list"), []string{"sts.amazonaws.com"})
	provider.Want(t, true, "lifecycle", "prevent_destroy")
	resource(s.Body).Want(t, nil, "removed")

	elsewhere := harness.Extremes(t).Stack(t, "bootstrap-999999999999") // oidcProvider: existing
	equal(t, "providers", len(elsewhere.OfType("aws_iam_openid_connect_provider")), 0)
	resource(elsewhere.Body).Want(t, "aws_iam_openid_connect_provider.github", "removed", 0, "from")
	resource(elsewhere.Body).Want(t, false, "removed", 0, "lifecycle", "destroy")
}

// withoutValues are the actions of Secrets Manager for which the pipelines' roles see no value, and set none. PutSecretValue and UpdateSecret
// would set one; a deploy updates the description by UpdateSecret.
var withoutValues = []string{
	"secretsmanager:CancelRotateSecret", "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret",
	"secretsmanager:GetResourcePolicy", "secretsmanager:RotateSecret", "secretsmanager:TagResource", "secretsmanager:UntagResource",
	"secretsmanager:UpdateSecret",
}

func TestNoPipelineReadsTheBackendsParametersAndSecrets(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		e := s.Environment()
		readable := []string{"arn:aws:ssm:" + e.Region + "::parameter/aws/service/ami-amazon-linux-latest/*"}
		for _, environment := range s.Environments() {
			readable = append(readable, "arn:aws:ssm:"+e.Region+":"+e.Account+":parameter/starttech/"+environment.Name+"/release")
		}
		for _, role := range []string{"aws_iam_role.plan_role", "aws_iam_role.deploy_role", "aws_iam_role.review_role"} {
			for _, statement := range s.AttachedStatements(t, role) {
				for _, action := range statement.Action {
					if strings.HasPrefix(action, "secretsmanager:") && !slices.Contains(withoutValues, action) {
						t.Errorf("%s: %s allows %s", role, statement.Sid, action)
					}
					if strings.HasPrefix(action, "ssm:Get") || action == "kms:Decrypt" {
						equalSets(t, role+" "+action, statement.Resource, readable)
					}
				}
			}
		}
	})
}

func TestAPlanWritesNothing(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		for _, statement := range s.AttachedStatements(t, "aws_iam_role.plan_role") {
			for _, action := range statement.Action {
				if _, name, _ := strings.Cut(action, ":"); strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Describe") || action == "budgets:ViewBudget" {
					continue
				}
				t.Errorf("%s allows %s", statement.Sid, action)
			}
		}
	})
}

// The user data, headers and functions of other projects can contain secrets. EC2 describes all launch templates or none:
// docs/permissions.md.
func TestAPlanReadsNoDistributionAndNoFunctionOfAnotherProject(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		cloudfront := "arn:aws:cloudfront::" + s.Environment().Account + ":"
		reads := map[string]int{}
		for _, statement := range s.AttachedStatements(t, "aws_iam_role.plan_role") {
			if !statement.Covers(cloudfront+"distribution/x") && !statement.Covers(cloudfront+"function/starttech-x") {
				continue
			}
			for _, action := range statement.Action {
				switch action {
				case "cloudfront:GetDistribution", "cloudfront:ListTagsForResource":
					equal(t, "resources of "+action, statement.Resource, []string{cloudfront + "distribution/*"})
					equal(t, "condition of "+action, statement.Condition, map[string]map[string][]string{"StringEquals": {"aws:ResourceTag/project": {config.Project}}})
				case "cloudfront:GetFunction", "cloudfront:DescribeFunction":
					equal(t, "resources of "+action, statement.Resource, []string{cloudfront + "function/starttech-*"})
				default:
					continue
				}
				reads[action]++
			}
		}
		equal(t, "statements", reads, map[string]int{
			"cloudfront:GetDistribution": 1, "cloudfront:ListTagsForResource": 1, "cloudfront:GetFunction": 1, "cloudfront:DescribeFunction": 1,
		})
	})
}

// Bootstrap contains what a deploy may do, so a deploy does not write its state.
func TestADeployWritesTheStatesOfItsEnvironmentsOnly(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		var states, locks, written, got []string
		var keys []string
		for _, environment := range s.Environments() {
			state := "/" + environment.Name + "/terraform.tfstate"
			states = append(states, ref("aws_s3_bucket.state", "arn")+state)
			if lockOf(s) != "dynamodb" {
				locks = append(locks, ref("aws_s3_bucket.state", "arn")+state+".tflock")
			}
			if lockOf(s) != "s3" {
				lock := ref("aws_s3_bucket.state", "bucket") + state
				keys = append(keys, lock, lock+"-md5")
			}
		}
		for _, statement := range s.AttachedStatements(t, "aws_iam_role.deploy_role") {
			if slices.Contains(statement.Action, "s3:PutObject") {
				written = append(written, statement.Resource...)
				if slices.Contains(statement.Action, "s3:DeleteObject") {
					equalSets(t, "deleted objects", statement.Resource, locks)
				}
			}
			if slices.Contains(statement.Action, "dynamodb:PutItem") {
				items := statement.Condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
				if len(items) == 0 {
					t.Errorf("%s allows to write every item", statement.Sid)
				}
				got = append(got, items...)
			}
		}
		equalSets(t, "written objects", written, append(states, locks...))
		equalSets(t, "written items", got, keys)
	})
}

// boundaries is the permissions boundaries of the roles of an environment, by the end of the role's name.
var boundaries = map[string]string{
	"instance": config.InstanceBoundary, "flow-logs": config.DeliveryBoundary, "release": config.DeliveryBoundary,
	"rotation": config.RotationBoundary, // only with secrets
}

func TestADeployChangesNeitherItselfNorItsBoundary(t *testing.T) {
	// What it grants, it grants to roles with other names than its own, within the boundary.
	granting := []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary"}
	never := []string{
		"iam:AttachRolePolicy", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreateOpenIDConnectProvider", "iam:CreatePolicy",
		"iam:CreatePolicyVersion", "iam:CreateUser", "iam:DeleteRolePermissionsBoundary", "iam:PutUserPolicy", "iam:SetDefaultPolicyVersion", "sts:AssumeRole",
	}
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		iam := "arn:aws:iam::" + s.Environment().Account + ":"
		own := []string{iam + "oidc-provider/token.actions.githubusercontent.com"}
		for _, kind := range []string{"aws_iam_role", "aws_iam_policy"} {
			for _, r := range s.OfType(kind) {
				own = append(own, iam+strings.TrimPrefix(kind, "aws_iam_")+"/"+r.Text("name"))
			}
		}
		rotates := slices.ContainsFunc(s.Environments(), func(e config.Environment) bool { return e.Secrets != nil })
		var passed, granted, wantGranted []string
		for _, statement := range s.AttachedStatements(t, "aws_iam_role.deploy_role") {
			for _, action := range statement.Action {
				if slices.Contains(never, action) {
					t.Errorf("%s allows %s", statement.Sid, action)
				}
				if slices.Contains(granting, action) {
					boundary := statement.Condition["StringEquals"]["iam:PermissionsBoundary"]
					for _, role := range statement.Resource {
						granted = append(granted, action+" to "+role+" within "+strings.Join(boundary, " "))
					}
				}
				if action == "iam:PassRole" {
					passed = append(passed, strings.Join(statement.Resource, " ")+" to "+strings.Join(statement.Condition["StringEquals"]["iam:PassedToService"], " "))
				}
				if !strings.HasPrefix(action, "iam:") || strings.HasPrefix(action, "iam:Get") || strings.HasPrefix(action, "iam:List") {
					continue
				}
				for _, arn := range own {
					if statement.Covers(arn) {
						t.Errorf("%s allows %s on %s", statement.Sid, action, arn)
					}
				}
			}
		}
		for _, action := range granting {
			for end, boundary := range boundaries {
				if end == "rotation" && !rotates {
					continue
				}
				wantGranted = append(wantGranted, action+" to "+iam+"role/starttech-*-"+end+" within "+iam+"policy/"+boundary)
			}
		}
		equalSets(t, "granting actions", granted, wantGranted)
		wantPassed := []string{
			iam + "role/starttech-*-instance to ec2.amazonaws.com",
			iam + "role/starttech-*-flow-logs to vpc-flow-logs.amazonaws.com",
		}
		if rotates {
			wantPassed = append(wantPassed, iam+"role/starttech-*-rotation to lambda.amazonaws.com")
		}
		equalSets(t, "passed roles", passed, wantPassed)
	})
}

func TestEveryRoleOfAnEnvironmentHasTheBoundaryAndANameThatADeployMayUse(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for address, role := range s.OfType("aws_iam_role") {
			end := strings.TrimPrefix(role.Text("name"), s.Environment().NamePrefix()+"-")
			if boundaries[end] == "" {
				t.Errorf("%s: a deploy may not create a role with the name %s", address, role.Text("name"))
			}
			role.Want(t, config.PolicyARN(s.Environment().Account, boundaries[end]), "permissions_boundary")
		}
	})
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		s.Resource(t, "aws_iam_policy.boundary_policy").Want(t, "starttech-boundary", "name")
		s.Resource(t, "aws_iam_policy.delivery_boundary_policy").Want(t, "starttech-delivery-boundary", "name")
	})
}

func TestTheBoundaryAllowsWhatTheRolesNeed(t *testing.T) {
	for _, output := range []harness.Output{harness.Variants(t), harness.Components(t), harness.Operator(t)} {
		for _, s := range output.Stacks {
			if s.IsBootstrap() {
				continue
			}
			e := s.Environment()
			region := func(service, resource string) string {
				return "arn:aws:" + service + ":" + e.Region + ":" + e.Account + ":" + resource
			}
			// The ARNs as AWS creates them.
			arns := strings.NewReplacer(
				ref("aws_ecr_repository.backend_images", "arn"), region("ecr", "repository/"+e.NamePrefix()+"-backend"),
				ref("aws_ssm_parameter.release", "arn"), region("ssm", "parameter"+e.PathPrefix()+"/release"),
				ref("aws_cloudwatch_log_group.backend_logs", "arn"), region("logs", "log-group:"+e.PathPrefix()+"/backend"),
				ref("aws_cloudwatch_log_group.flow_logs_group", "arn"), region("logs", "log-group:"+e.PathPrefix()+"/vpc/flow"),
				ref("aws_s3_bucket.frontend", "arn"), "arn:aws:s3:::"+e.NamePrefix()+"-frontend-"+e.Account,
				ref("aws_autoscaling_group.backend", "arn"), region("autoscaling", "autoScalingGroup:x:autoScalingGroupName/"+e.NamePrefix()+"-backend"),
				ref(distribution, "arn"), "arn:aws:cloudfront::"+e.Account+":distribution/E1",
				ref("aws_secretsmanager_secret.backend_secret", "arn"), region("secretsmanager", "secret:"+e.PathPrefix()+"/backend-AbCdEf"),
				ref("aws_secretsmanager_secret.jwt_secret", "arn"), region("secretsmanager", "secret:"+e.PathPrefix()+"/jwt-AbCdEf"),
				ref("aws_secretsmanager_secret.redis_secret", "arn"), region("secretsmanager", "secret:"+e.PathPrefix()+"/redis-AbCdEf"),
				ref("aws_elasticache_user.redis_user", "arn"), region("elasticache", "user:"+e.NamePrefix()+"-redis"),
				ref("aws_cloudwatch_log_group.rotation_logs", "arn"), region("logs", "log-group:"+e.PathPrefix()+"/rotation"),
			)
			bootstrap := output.Stack(t, config.BootstrapStackOf(e.Account, s.AllEnvironments()))
			for role, r := range s.OfType("aws_iam_role") {
				var boundary []statement
				for _, policy := range bootstrap.OfType("aws_iam_policy") {
					if config.PolicyARN(e.Account, policy.Text("name")) == r.Text("permissions_boundary") {
						boundary = policy.Statements(t, "policy")
					}
				}
				for _, grant := range s.Grants(t, role) {
					action, target, _ := strings.Cut(arns.Replace(grant), " on ")
					if !slices.ContainsFunc(boundary, func(b statement) bool {
						return slices.Contains(b.Action, action) && (slices.Contains(b.Resource, "*") || target != "*" && b.Covers(strings.ReplaceAll(target, ":*:", ":x:")))
					}) {
						t.Errorf("%s: %s: %s on %s is outside the boundary", s.Name, role, action, target)
					}
				}
			}
		}
	}
}

func TestOnlyInstancesReadTheBackendsParameters(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		e := s.Environment()
		regional := "arn:aws:ssm:" + e.Region + ":" + e.Account + ":parameter/starttech/"
		secret := regional + e.Name + "/backend/JWT_SECRET_KEY"
		isReading := func(action string) bool { return strings.HasPrefix(action, "ssm:GetParameter") }
		reads := 0
		for _, b := range s.Resource(t, "aws_iam_policy.boundary_policy").Statements(t, "policy") {
			if slices.ContainsFunc(b.Action, isReading) && b.Covers(secret) {
				reads++
				equal(t, b.Sid, b.Condition, map[string]map[string][]string{
					"ArnLike": {"ec2:SourceInstanceARN": {"arn:aws:ec2:" + e.Region + ":" + e.Account + ":instance/*"}},
				})
			}
		}
		equal(t, "statements of the boundary that allow to read", reads, 1)
		for _, b := range s.Resource(t, "aws_iam_policy.delivery_boundary_policy").Statements(t, "policy") {
			if slices.ContainsFunc(b.Action, isReading) && b.Covers(secret) || slices.Contains(b.Action, "kms:Decrypt") {
				t.Errorf("%s allows releases and flow logs to read %s", b.Sid, secret)
			}
			if slices.Contains(b.Action, "ssm:PutParameter") {
				var releases []string
				for _, environment := range s.Environments() {
					releases = append(releases, regional+environment.Name+"/release")
				}
				equalSets(t, b.Sid, b.Resource, releases)
			}
		}
	})
}

// A deploy gives a resource the project's tag only if no project has it.
func TestADeployTakesOverNothingOfAnotherProject(t *testing.T) {
	const project = "aws:ResourceTag/project"
	tagging := []string{"acm:AddTagsToCertificate", "cloudfront:TagResource", "kms:TagResource"}
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		statements := map[string]int{}
		for _, statement := range s.AttachedStatements(t, "aws_iam_role.deploy_role") {
			for _, action := range statement.Action {
				if !slices.Contains(tagging, action) {
					continue
				}
				statements[action]++
				isProjects := slices.Equal(statement.Condition["StringEquals"][project], []string{config.Project})
				isNobodys := slices.Equal(statement.Condition["Null"][project], []string{"true"}) &&
					slices.Equal(statement.Condition["StringEquals"]["aws:RequestTag/project"], []string{config.Project})
				if isProjects == isNobodys {
					t.Errorf("%s allows %s on what belongs to another project: %v", statement.Sid, action, statement.Condition)
				}
			}
		}
		for _, action := range tagging {
			want := 2
			if action == "cloudfront:TagResource" && slices.ContainsFunc(s.Environments(), func(e config.Environment) bool { return e.Network.PrivateOrigin }) {
				want = 4 // VPC origins as well
			}
			if action == "kms:TagResource" && slices.ContainsFunc(s.Environments(), optionals["firewall"].isIn) {
				want = 4 // in us-east-1 as well
			}
			equal(t, "statements with "+action, statements[action], want)
		}
	})
}

// What a deploy needs before KMS sees the tag of a new key, the key's own policy allows:
// TestOnlyAlarmsOfTheAccountPublishToTheEncryptedTopic.
func TestADeployChangesOnlyTheProjectsKeys(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		s.Resource(t, "aws_iam_role.deploy_role").Want(t, config.DeployRole, "name")
		for _, statement := range s.AttachedStatements(t, "aws_iam_role.deploy_role") {
			if statement.Condition != nil || !statement.Covers("arn:aws:kms:"+s.Environment().Region+":"+s.Environment().Account+":key/x") {
				continue
			}
			for _, action := range statement.Action {
				name, isKMS := strings.CutPrefix(action, "kms:")
				if isKMS && !strings.HasPrefix(name, "Get") && !strings.HasPrefix(name, "List") && !strings.HasPrefix(name, "Describe") {
					t.Errorf("%s allows %s on every key", statement.Sid, action)
				}
			}
		}
	})
}

func TestADeployChangesOnlyTheRecordsOfTheDomains(t *testing.T) {
	const names, types = "route53:ChangeResourceRecordSetsNormalizedRecordNames", "route53:ChangeResourceRecordSetsRecordTypes"
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		var domains, validations []string
		kinds := []string{"A", "AAAA"}
		zones := map[string]bool{}
		for _, e := range s.Environments() {
			if e.Domain != nil {
				domains, validations = append(domains, e.Domain.Names()...), append(validations, "_*."+e.Domain.Name)
				if e.Domain.CAA {
					kinds = []string{"A", "AAAA", "CAA"}
				}
				if e.Domain.CreateZone {
					zones[ref("aws_route53_zone.zone_"+config.IDSafe(e.Name), "arn")] = true
				} else {
					zones["arn:aws:route53:::hostedzone/"+e.Domain.HostedZoneID] = true
				}
			}
		}
		var got, want []map[string]map[string][]string
		if len(domains) > 0 {
			want = []map[string]map[string][]string{
				{"ForAllValues:StringEquals": {names: domains, types: kinds}},
				{"ForAllValues:StringLike": {names: validations}, "ForAllValues:StringEquals": {types: {"CNAME"}}},
			}
		}
		for _, statement := range s.AttachedStatements(t, "aws_iam_role.deploy_role") {
			if slices.Contains(statement.Action, "route53:ChangeResourceRecordSets") {
				got = append(got, statement.Condition)
				equalSets(t, "hosted zones", statement.Resource, slices.Collect(maps.Keys(zones)))
			}
		}
		equal(t, "conditions", got, want)
	})
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func TestThePoliciesFitIntoIAMsQuotas(t *testing.T) {
	stacks := []stack{harness.Extremes(t).Stack(t, "bootstrap-123456789012"), harness.Extremes(t).Stack(t, "bootstrap-999999999999")}
	for _, output := range []harness.Output{harness.Operator(t), harness.Components(t)} {
		stacks = slices.AppendSeq(stacks, maps.Values(output.Stacks))
	}
	for _, s := range stacks {
		for address, policy := range s.OfType("aws_iam_policy") {
			characters := 0
			for _, r := range policy.Text("policy") {
				if !unicode.IsSpace(r) {
					characters++
				}
			}
			// The ARN of a resource is at most 40 characters longer than the reference to it.
			if characters += 40 * strings.Count(policy.Text("policy"), "${"); characters > 6144 {
				t.Errorf("%s: %s has %d characters; the maximum is 6144", s.Name, address, characters)
			}
		}
		for address, role := range s.OfType("aws_iam_role") {
			if length := len(role.Text("assume_role_policy")); length > 2048 {
				t.Errorf("%s: the trust policy of %s has %d characters; the maximum is 2048", s.Name, address, length)
			}
		}
		inline := map[string]int{}
		for _, policy := range s.OfType("aws_iam_role_policy") {
			inline[policy.Text("role")] += len(policy.Text("policy")) + 40*strings.Count(policy.Text("policy"), "${")
		}
		for role, characters := range inline {
			if characters > 10240 {
				t.Errorf("%s: the inline policies of %s have %d characters; the maximum is 10240", s.Name, role, characters)
			}
		}
		policies := map[string]int{}
		for _, attachment := range s.OfType("aws_iam_role_policy_attachment") {
			policies[attachment.Text("role")]++
		}
		for role, number := range policies {
			if number > 10 {
				t.Errorf("%s: %s has %d policies; the maximum is 10", s.Name, role, number)
			}
		}
	}
}
