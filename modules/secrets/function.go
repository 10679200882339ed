package secrets

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatcheventrule"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatcheventtarget"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticacheuser"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/lambdafunction"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/lambdapermission"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/internal/tfstring"
	"github.com/starttech/infrastructure/lambda/build"
	"github.com/starttech/infrastructure/modules/logs"
	"github.com/starttech/infrastructure/modules/monitoring"
)

// rotationFunction is the function, and what has to exist before it is invoked.
type rotationFunction struct {
	function       lambdafunction.LambdaFunction
	beforeRotation []cdktf.ITerraformDependable
	graph          monitoring.Graph
}

// newFunction creates
//
//	Function -> Role -> RolePolicy
//	  -> LogGroup
//	  <- Permission (Secrets Manager), Permission (EventRule, every five minutes)
//	  <- Alarm
func newFunction(scope constructs.Construct, c Config, generated []rotated, user elasticacheuser.ElasticacheUser) rotationFunction {
	name := jsii.String(c.NamePrefix + "-rotation")
	group := logs.NewGroup(scope, "rotation_logs", c.PathPrefix+"/rotation", c.LogRetentionDays, c.DeletionProtection)
	role := iamrole.NewIamRole(scope, jsii.String("rotation_role"), &iamrole.IamRoleConfig{
		Name:                name,
		Description:         jsii.String("Rotates the generated secrets of " + c.NamePrefix),
		AssumeRolePolicy:    policy.AssumeRole("lambda.amazonaws.com", nil),
		PermissionsBoundary: jsii.String(c.PermissionsBoundary),
	})
	variables := map[string]*string{
		"AUTO_SCALING_GROUP": jsii.String(c.Group),
		"INSTANCE_WARMUP":    number(c.WarmupSeconds),
	}
	var secrets []string
	for _, g := range generated {
		variables["SECRET_"+g.variable] = g.secret.Arn()
		secrets = append(secrets, *g.secret.Arn())
	}
	statements := []policy.Statement{{
		Sid:    "RotateSecrets",
		Effect: policy.Allow,
		Action: []string{
			"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
		},
		Resource: secrets,
	}, {
		Sid:    "RefreshInstances",
		Effect: policy.Allow,
		Action: []string{"autoscaling:StartInstanceRefresh"},
		// AWS chooses the id in the ARN. The group does not exist yet.
		Resource: []string{"arn:aws:autoscaling:" + c.Region + ":" + c.Account + ":autoScalingGroup:*:autoScalingGroupName/" + c.Group},
	}, {
		Sid:      "DescribeInstanceRefreshes",
		Effect:   policy.Allow,
		Action:   []string{"autoscaling:DescribeInstanceRefreshes"},
		Resource: []string{"*"}, // does not support resource-level permissions
	}, {
		Sid:      "WriteLogs",
		Effect:   policy.Allow,
		Action:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		Resource: []string{*group.Arn() + ":*"},
	}}
	if user != nil {
		variables["REDIS_USER"] = user.UserId()
		statements = append(statements, policy.Statement{
			Sid:      "ChangePasswords",
			Effect:   policy.Allow,
			Action:   []string{"elasticache:DescribeUsers", "elasticache:ModifyUser"},
			Resource: []string{*user.Arn()},
		})
	}
	permissions := iamrolepolicy.NewIamRolePolicy(scope, jsii.String("rotation_permissions"), &iamrolepolicy.IamRolePolicyConfig{
		Name:   jsii.String("rotation"),
		Role:   role.Id(),
		Policy: policy.Document(statements...),
	})
	function := lambdafunction.NewLambdaFunction(scope, jsii.String("rotation"), &lambdafunction.LambdaFunctionConfig{
		FunctionName:   name,
		Description:    jsii.String("Rotates the generated secrets, and replaces the instances"),
		Role:           role.Arn(),
		Runtime:        jsii.String(build.Runtime),
		Architectures:  jsii.Strings(build.Architecture),
		Handler:        jsii.String("bootstrap"),
		Filename:       jsii.String(c.Code.File),
		SourceCodeHash: jsii.String(c.Code.Hash),
		MemorySize:     jsii.Number(128), // MB
		Timeout:        jsii.Number(300), // seconds; a change of a user of Redis takes a minute or two
		Environment:    &lambdafunction.LambdaFunctionEnvironment{Variables: &variables},
		LoggingConfig:  &lambdafunction.LambdaFunctionLoggingConfig{LogFormat: jsii.String("Text"), LogGroup: group.Name()},
		DependsOn:      &[]cdktf.ITerraformDependable{permissions},
	})
	suppress.Finding(function, "Its environment has names only, no secret", "CKV_AWS_173")
	suppress.Finding(function, "It calls AWS only, and nothing in the VPC", "CKV_AWS_117")
	suppress.Finding(function, "A new account has ten concurrent executions, of which none can be reserved", "CKV_AWS_115")
	suppress.Finding(function, "Secrets Manager and the schedule repeat an invocation that fails", "CKV_AWS_116")
	suppress.Finding(function, "Its log has every step; a trace would say no more", "CKV_AWS_50")
	suppress.Finding(function, "Terraform's plan has the hash of its code", "CKV_AWS_272")

	rule := cloudwatcheventrule.NewCloudwatchEventRule(scope, jsii.String("rotation_schedule"), &cloudwatcheventrule.CloudwatchEventRuleConfig{
		Name:               name,
		Description:        jsii.String("Follows the instance refresh of a rotation"),
		ScheduleExpression: jsii.String("rate(5 minutes)"),
	})
	bySchedule := lambdapermission.NewLambdaPermission(scope, jsii.String("rotation_by_schedule"), &lambdapermission.LambdaPermissionConfig{
		FunctionName: function.FunctionName(),
		Action:       jsii.String("lambda:InvokeFunction"),
		Principal:    jsii.String("events.amazonaws.com"),
		SourceArn:    rule.Arn(),
	})
	cloudwatcheventtarget.NewCloudwatchEventTarget(scope, jsii.String("rotation_target"), &cloudwatcheventtarget.CloudwatchEventTargetConfig{
		Rule:      rule.Name(),
		Arn:       function.Arn(),
		Input:     tfstring.JSON(map[string]string{"Step": "followRefresh"}),
		DependsOn: &[]cdktf.ITerraformDependable{bySchedule},
	})
	// The condition that AWS recommends: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html.
	byManager := lambdapermission.NewLambdaPermission(scope, jsii.String("rotation_by_secrets_manager"), &lambdapermission.LambdaPermissionConfig{
		FunctionName:  function.FunctionName(),
		Action:        jsii.String("lambda:InvokeFunction"),
		Principal:     jsii.String("secretsmanager.amazonaws.com"),
		SourceAccount: jsii.String(c.Account),
	})

	metric := func(metric string) monitoring.Metric {
		return monitoring.Metric{Namespace: "AWS/Lambda", Name: metric, Dimensions: []string{"FunctionName", *function.FunctionName()}, Statistic: "Sum"}
	}
	c.Alarms.New(scope, monitoring.Alarm{
		ID: "secret_rotation", Name: "secret-rotation",
		Description: "A rotation of a secret has failed, or the instances do not become healthy with its new value",
		Metric:      metric("Errors"),
		Comparison:  monitoring.GreaterThan, Threshold: 0, PeriodSeconds: 5 * monitoring.Minute, TreatMissingData: monitoring.NotBreaching,
	})
	return rotationFunction{
		function:       function,
		beforeRotation: []cdktf.ITerraformDependable{byManager},
		graph:          monitoring.Graph{Title: "Rotation of secrets", Metrics: []monitoring.Metric{metric("Invocations"), metric("Errors")}},
	}
}
