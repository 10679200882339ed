// Package secrets is the backend's secrets in Secrets Manager, and the Lambda function that rotates the generated ones (lambda/rotation).
// Terraform creates no version of a secret, so no value is in its state.
package secrets

import (
	"strconv"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticacheuser"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticacheusergroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/secretsmanagersecret"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/secretsmanagersecretrotation"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/modules/monitoring"
)

// Config is the readers of the secrets, and what the rotation uses.
type Config struct {
	NamePrefix          string // "starttech-production"
	PathPrefix          string // "/starttech/production"
	Account             string
	Region              string
	PermissionsBoundary string // ARN of the boundary of the function's role
	config.Secrets
	LogRetentionDays   int
	DeletionProtection bool // whether deleted secrets can be restored

	InstanceRoleID *string
	Group          string // name of the Auto Scaling group, which is created after the first rotation has begun
	WarmupSeconds  int    // of an instance
	Alarms         monitoring.Alarms
	Code           Code
	RedisAuth      bool
}

// Code is the function's deployment package.
type Code struct {
	File string // relative to the stack's directory
	Hash string // SHA-256 in base64
}

// Output is what the instances and Redis wait for, and the user group of Redis.
type Output struct {
	BeforeInstances []cdktf.TerraformResource
	UserGroup       elasticacheusergroup.ElasticacheUserGroup // nil without RedisAuth
	Graph           monitoring.Graph
}

// New creates
//
//	Secret (the operator's values)
//	Secret (JWT_SECRET_KEY) <- Rotation -> Function
//	Secret (REDIS_PASSWORD) <- Rotation -> Function; User <- UserGroup
//	  <- RolePolicy of the instances
//
// A rotation begins as soon as it is configured, and gives the secret its first value. Secrets Manager invokes the function for a secret
// without one as well: https://github.com/hashicorp/terraform-provider-aws/issues/10619.
func New(scope constructs.Construct, c Config) *Output {
	operator := newSecret(scope, c, config.OperatorSecret, "The backend's environment variables that operators set")
	suppress.Finding(operator, "An operator sets these values, and only an operator can change them", "CKV2_AWS_57")
	jwt := newSecret(scope, c, config.JWTSecret, "JWT_SECRET_KEY of the backend, which a function generates")
	generated := []rotated{{variable: "JWT_SECRET_KEY", secret: jwt, id: config.JWTSecret}}
	readable := []string{*operator.Arn(), *jwt.Arn()}

	var user elasticacheuser.ElasticacheUser
	var group elasticacheusergroup.ElasticacheUserGroup
	if c.RedisAuth {
		user, group = newUser(scope, c)
		redis := newSecret(scope, c, config.RedisSecret, "REDIS_PASSWORD of the backend, which a function generates")
		generated = append(generated, rotated{variable: "REDIS_PASSWORD", secret: redis, id: config.RedisSecret})
		readable = append(readable, *redis.Arn())
	}
	f := newFunction(scope, c, generated, user)

	before := []cdktf.TerraformResource{iamrolepolicy.NewIamRolePolicy(scope, jsii.String("instance_secrets"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("secrets"),
		Role: c.InstanceRoleID,
		Policy: policy.Document(policy.Statement{
			Sid:      "ReadSecrets", // the policy of the key aws/secretsmanager allows their readers to decrypt them
			Effect:   policy.Allow,
			Action:   []string{"secretsmanager:GetSecretValue"},
			Resource: readable,
		}),
	})}
	for _, g := range generated {
		rotation := secretsmanagersecretrotation.NewSecretsmanagerSecretRotation(scope, jsii.String(g.id+"_rotation"), &secretsmanagersecretrotation.SecretsmanagerSecretRotationConfig{
			SecretId:          g.secret.Id(),
			RotationLambdaArn: f.function.Arn(),
			RotationRules:     &secretsmanagersecretrotation.SecretsmanagerSecretRotationRotationRules{AutomaticallyAfterDays: jsii.Number(c.RotationDays)},
			DependsOn:         &f.beforeRotation,
		})
		before = append(before, rotation)
	}
	return &Output{BeforeInstances: before, UserGroup: group, Graph: f.graph}
}

// rotated is a secret with one generated environment variable.
type rotated struct {
	variable string
	secret   secretsmanagersecret.SecretsmanagerSecret
	id       string
}

func newSecret(scope constructs.Construct, c Config, name, description string) secretsmanagersecret.SecretsmanagerSecret {
	days := 0 // deleted at once, so that an environment of the same name can be created
	if c.DeletionProtection {
		days = 30
	}
	secret := secretsmanagersecret.NewSecretsmanagerSecret(scope, jsii.String(name+"_secret"), &secretsmanagersecret.SecretsmanagerSecretConfig{
		Name:                 jsii.String(c.PathPrefix + "/" + name),
		Description:          jsii.String(description),
		RecoveryWindowInDays: jsii.Number(days),
	})
	suppress.Finding(secret, suppress.AWSKey, "CKV_AWS_149")
	return secret
}

// newUser creates the only user of Redis. Its name is default, which every user group has to contain, and which a client that sends a
// password and no name logs in as (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html). Until the first rotation, the
// user is off. The function then sets its passwords, and turns it on.
func newUser(scope constructs.Construct, c Config) (elasticacheuser.ElasticacheUser, elasticacheusergroup.ElasticacheUserGroup) {
	user := elasticacheuser.NewElasticacheUser(scope, jsii.String("redis_user"), &elasticacheuser.ElasticacheUserConfig{
		UserId:             jsii.String(c.NamePrefix + "-redis"),
		UserName:           jsii.String("default"),
		Engine:             jsii.String("redis"),
		AccessString:       jsii.String("off -@all"),
		NoPasswordRequired: jsii.Bool(true),
		Lifecycle: &cdktf.TerraformResourceLifecycle{
			IgnoreChanges:       jsii.Strings("access_string", "authentication_mode", "no_password_required", "passwords"),
			CreateBeforeDestroy: jsii.Bool(true), // as the group
		},
	})
	group := elasticacheusergroup.NewElasticacheUserGroup(scope, jsii.String("redis_users"), &elasticacheusergroup.ElasticacheUserGroupConfig{
		UserGroupId: jsii.String(c.NamePrefix + "-redis"),
		Engine:      jsii.String("redis"),
		UserIds:     &[]*string{user.UserId()},
		// When cache.auth is removed, Terraform destroys the group after Redis has given it up, not before
		// (https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle#create_before_destroy).
		Lifecycle: &cdktf.TerraformResourceLifecycle{CreateBeforeDestroy: jsii.Bool(true)},
	})
	return user, group
}

func number(n int) *string { return jsii.String(strconv.Itoa(n)) }
