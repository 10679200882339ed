package claims

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/lambda/build"
	"github.com/starttech/infrastructure/test/internal/harness"
)

const rotationRole = "aws_iam_role.rotation_role"

// generated are the secrets that are rotated, of an environment with secrets.
func generated(e config.Environment) []string {
	if e.Cache.Auth {
		return []string{"jwt", "redis"}
	}
	return []string{"jwt"}
}

// addSecretsGrants adds what the secrets of an environment need to the grants of its roles.
func addSecretsGrants(e config.Environment, want map[string][]string) {
	arn := func(secret string) string { return ref("aws_secretsmanager_secret."+secret+"_secret", "arn") }
	for _, secret := range append(generated(e), "backend") {
		want[instanceRole] = append(want[instanceRole], on(arn(secret), "secretsmanager:GetSecretValue")...)
	}
	own := slices.Concat(
		on("*", "autoscaling:DescribeInstanceRefreshes"),
		on("arn:aws:autoscaling:"+e.Region+":"+e.Account+":autoScalingGroup:*:autoScalingGroupName/"+e.NamePrefix()+"-backend", "autoscaling:StartInstanceRefresh"),
		on(ref("aws_cloudwatch_log_group.rotation_logs", "arn")+":*", "logs:CreateLogStream", "logs:PutLogEvents"),
	)
	for _, secret := range generated(e) { // not the operator's
		own = append(own, on(arn(secret), "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
			"secretsmanager:UpdateSecretVersionStage")...)
	}
	if e.Cache.Auth {
		own = append(own, on(ref("aws_elasticache_user.redis_user", "arn"), "elasticache:DescribeUsers", "elasticache:ModifyUser")...)
	}
	want[rotationRole] = own
}

func TestSecretsAreThoseOfTheFile(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		var want, got, rotated []string
		if e.Secrets != nil {
			want = append(generated(e), "backend")
			rotated = generated(e)
		}
		for address, secret := range s.OfType("aws_secretsmanager_secret") {
			name := strings.TrimPrefix(secret.Text("name"), e.PathPrefix()+"/")
			equal(t, "address", address, "aws_secretsmanager_secret."+name+"_secret")
			got = append(got, name)
			days := 0.0 // a destroyed environment leaves nothing
			if e.DeletionProtection {
				days = 30
			}
			secret.Want(t, days, "recovery_window_in_days")
			secret.Want(t, nil, "policy")
		}
		equalSets(t, "secrets", got, want)
		var rotations []string
		for _, rotation := range s.OfType("aws_secretsmanager_secret_rotation") {
			rotations = append(rotations, strings.TrimSuffix(strings.TrimPrefix(addressOf(rotation.Text("secret_id")), "aws_secretsmanager_secret."), "_secret"))
			rotation.Want(t, ref("aws_lambda_function.rotation", "arn"), "rotation_lambda_arn")
			rotation.Want(t, float64(e.Secrets.RotationDays), "rotation_rules", "automatically_after_days")
			rotation.Want(t, nil, "rotate_immediately") // the default: true
			equal(t, "before a rotation", rotation.Strings("depends_on"), []string{"aws_lambda_permission.rotation_by_secrets_manager"})
		}
		equalSets(t, "rotated secrets", rotations, rotated)
		equal(t, "functions", len(s.OfType("aws_lambda_function")), min(1, len(want)))
		equal(t, "users of Redis", len(s.OfType("aws_elasticache_user"))+len(s.OfType("aws_elasticache_user_group")), map[bool]int{true: 2}[e.Cache.Auth])
	})
}

func TestInstancesReadTheSecretsOfTheirEnvironment(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		script := resource(s.Body).Text("locals", "boot_script")
		if e.Secrets == nil {
			if strings.Contains(script, "SECRETS=") || strings.Contains(script, "secretsmanager") {
				t.Error("the boot script reads secrets")
			}
			return
		}
		names := []string{e.PathPrefix() + "/backend"}
		waitsFor := []string{"aws_iam_role_policy.instance_secrets"}
		for _, secret := range generated(e) {
			names = append(names, e.PathPrefix()+"/"+secret)
			waitsFor = append(waitsFor, "aws_secretsmanager_secret_rotation."+secret+"_rotation")
		}
		if setting := "\nSECRETS='" + strings.Join(names, "\n") + "'\n"; !strings.Contains(script, setting) || !strings.Contains(script, "secretsmanager get-secret-value") {
			t.Errorf("the boot script does not read %q", names)
		}
		_, group := s.Only(t, "aws_autoscaling_group")
		redis := s.Resource(t, "aws_elasticache_replication_group.redis")
		for _, address := range waitsFor {
			if !slices.Contains(group.Strings("depends_on"), address) {
				t.Errorf("instances do not wait for %s", address)
			}
			if e.Cache.Auth && !slices.Contains(redis.Strings("depends_on"), address) {
				t.Errorf("Redis does not wait for %s", address)
			}
		}
	})
}

// The password is set by the function. Terraform's user has none, and may do nothing.
func TestRedisAcceptsOnlyTheUserThatTheFunctionEnables(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		redis := s.Resource(t, "aws_elasticache_replication_group.redis")
		if !e.Cache.Auth {
			redis.Want(t, nil, "user_group_ids")
			return
		}
		equal(t, "user groups", redis.Strings("user_group_ids"), refs("id", "aws_elasticache_user_group.redis_users"))
		redis.Want(t, "required", "transit_encryption_mode")
		equal(t, "users", s.Resource(t, "aws_elasticache_user_group.redis_users").Strings("user_ids"), refs("user_id", "aws_elasticache_user.redis_user"))
		user := s.Resource(t, "aws_elasticache_user.redis_user")
		for _, address := range []string{"aws_elasticache_user.redis_user", "aws_elasticache_user_group.redis_users"} { // destroyed after Redis has given them up
			s.Resource(t, address).Want(t, true, "lifecycle", "create_before_destroy")
		}
		user.Want(t, "default", "user_name")
		user.Want(t, "off -@all", "access_string")
		user.Want(t, nil, "passwords")
		user.Want(t, nil, "authentication_mode")
		equalSets(t, "what Terraform ignores", user.Strings("lifecycle", "ignore_changes"), []string{"access_string", "authentication_mode", "no_password_required", "passwords"})
		s.Resource(t, "aws_lambda_function.rotation").Want(t, ref("aws_elasticache_user.redis_user", "user_id"), "environment", "variables", "REDIS_USER")
	})
}

func TestTheFunctionRunsTheCodeBesideItsStack(t *testing.T) {
	for _, name := range []string{"secrets", "cache-auth", "everything"} {
		s := component(t, name)
		e := s.Environment()
		function := s.Resource(t, "aws_lambda_function.rotation")
		content, err := os.ReadFile(filepath.Join(harness.Components(t).StackDir(name), function.Text("filename")))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		function.Want(t, base64.StdEncoding.EncodeToString(sum[:]), "source_code_hash")
		archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil || len(archive.File) != 1 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode().Perm() != 0o755 {
			t.Errorf("%s: the package is not one program, bootstrap: %v", name, err)
		}
		function.Want(t, "provided.al2023", "runtime")
		equal(t, "architectures", function.Strings("architectures"), []string{"x86_64"})
		function.Want(t, ref(rotationRole, "arn"), "role")
		function.Want(t, ref("aws_cloudwatch_log_group.rotation_logs", "name"), "logging_config", "log_group")
		function.Want(t, e.NamePrefix()+"-backend", "environment", "variables", "AUTO_SCALING_GROUP")
		s.Resource(t, "aws_autoscaling_group.backend").Want(t, e.NamePrefix()+"-backend", "name")
		for variable, secret := range map[string]string{"SECRET_JWT_SECRET_KEY": "jwt", "SECRET_REDIS_PASSWORD": "redis"} {
			var want any
			if slices.Contains(generated(e), secret) {
				want = ref("aws_secretsmanager_secret."+secret+"_secret", "arn")
			}
			function.Want(t, want, "environment", "variables", variable)
		}
	}
}

func TestTheFunctionIsInvokedBySecretsManagerAndItsScheduleOnly(t *testing.T) {
	s := component(t, "secrets")
	equal(t, "permissions", len(s.OfType("aws_lambda_permission")), 2)
	manager := s.Resource(t, "aws_lambda_permission.rotation_by_secrets_manager")
	manager.Want(t, "secretsmanager.amazonaws.com", "principal")
	manager.Want(t, s.Environment().Account, "source_account")
	schedule := s.Resource(t, "aws_lambda_permission.rotation_by_schedule")
	schedule.Want(t, "events.amazonaws.com", "principal")
	schedule.Want(t, ref("aws_cloudwatch_event_rule.rotation_schedule", "arn"), "source_arn")
	s.Resource(t, "aws_cloudwatch_event_rule.rotation_schedule").Want(t, "rate(5 minutes)", "schedule_expression")
	target := s.Resource(t, "aws_cloudwatch_event_target.rotation_target")
	target.Want(t, `{"Step":"followRefresh"}`, "input")
	target.Want(t, ref("aws_lambda_function.rotation", "arn"), "arn")
}

// Instances read the secrets with the credentials of an instance profile only. Nobody but the function sets the generated ones, and the function
// cannot read the operator's.
func TestOnlyInstancesAndTheFunctionReadSecrets(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		e := s.Environment()
		if !slices.ContainsFunc(s.Environments(), func(e config.Environment) bool { return e.Secrets != nil }) {
			if s.Has("aws_iam_policy.rotation_boundary_policy") {
				t.Error("there is a boundary for rotations, which no file has")
			}
			return
		}
		arn := func(secret string) string {
			return "arn:aws:secretsmanager:" + e.Region + ":" + e.Account + ":secret:/starttech/" + e.Name + "/" + secret + "-AbCdEf"
		}
		for policy, reads := range map[string][]string{
			"boundary": {"backend", "jwt", "redis"}, "delivery_boundary": nil, "rotation_boundary": {"jwt", "redis"},
		} {
			var got []string
			for _, b := range s.Resource(t, "aws_iam_policy."+policy+"_policy").Statements(t, "policy") {
				for _, secret := range []string{"backend", "jwt", "redis"} {
					if slices.Contains(b.Action, "secretsmanager:GetSecretValue") && b.Covers(arn(secret)) {
						got = append(got, secret)
						if policy == "boundary" {
							equal(t, b.Sid, b.Condition, map[string]map[string][]string{
								"ArnLike": {"ec2:SourceInstanceARN": {"arn:aws:ec2:" + e.Region + ":" + e.Account + ":instance/*"}},
							})
						}
					}
				}
			}
			equalSets(t, policy+" allows to read", got, reads)
		}
	})
}

// The same code has the same bytes in any directory, whatever the caller's environment.
func TestTheFunctionIsBuiltReproducibly(t *testing.T) {
	first, err := build.Rotation(t.Context(), harness.Components(t).Dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"GOAMD64": "v3", "GOFLAGS": "-race", "CGO_ENABLED": "1", "GOOS": "darwin", "GOARCH": "arm64", "GOEXPERIMENT": "nogreenteagc"} {
		t.Setenv(name, value)
	}
	second, err := build.Rotation(t.Context(), harness.Root)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "hash", second.Hash, first.Hash)
	component(t, "secrets").Resource(t, "aws_lambda_function.rotation").Want(t, first.Hash, "source_code_hash")
}

func TestAFunctionThatDoesNotBuildIsOneLine(t *testing.T) {
	dir := t.TempDir()
	_, err := build.Rotation(t.Context(), dir)
	wantLine(t, err, "build lambda/rotation: open ")
	files := map[string]string{"go.mod": "module x\n\ngo 1.26\n", "lambda/rotation/main.go": "package main\n\nfunc main() { undefined() }\n"}
	write := func() {
		for name, content := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	_, err = build.Rotation(t.Context(), dir)
	wantLine(t, err, "build lambda/rotation: go.mod has no line toolchain")
	content, err := os.ReadFile(filepath.Join(harness.Root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	files["go.mod"] = string(content)
	write()
	_, err = build.Rotation(t.Context(), dir)
	wantLine(t, err, "undefined: undefined")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := build.Rotation(ctx, dir); err == nil {
		t.Error("a cancelled build has no error")
	}
	t.Setenv("PATH", t.TempDir())
	_, err = build.Rotation(t.Context(), dir)
	wantLine(t, err, "build lambda/rotation: go is not on PATH: install Go (https://go.dev/dl)")
}

func wantLine(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %v, want one line with %q", err, want)
	}
}
