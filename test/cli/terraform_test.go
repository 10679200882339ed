package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestFindTerraform(t *testing.T) {
	const old, recent = "#!/bin/sh\necho '{\"terraform_version\": \"1.5.7\"}'\n", "#!/bin/sh\necho '{\"terraform_version\": \"1.11.4\"}'\n"
	for name, test := range map[string]struct {
		onPath, installed string // scripts; empty: none
		required          string
		want              string // the error; empty: the installed one is found
	}{
		"none":                         {want: "terraform is not on PATH, and Terraform >= 1.7.0 is required: run make install, or install it yourself"},
		"old":                          {onPath: old, want: "is version 1.5.7, and Terraform >= 1.7.0 is required: run make install"},
		"old, and one in the checkout": {onPath: old, installed: recent},
		"too old for locks in S3": {
			installed: "#!/bin/sh\necho '{\"terraform_version\": \"1.10.5\"}'\n", required: config.Environment{State: &config.State{Lock: "s3"}}.RequiredTerraform(),
			want: "terraform is not on PATH, and Terraform >= 1.11.0 is required: run make install, or install it yourself",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := checkout{dir: t.TempDir()}
			for file, script := range map[string]string{"path/terraform": test.onPath, ".local/bin/terraform": test.installed} {
				if script != "" {
					c.write(t, file, script)
				}
			}
			t.Setenv("PATH", filepath.Join(c.dir, "path"))
			found, err := terraform.Find(t.Context(), c.dir, cmp.Or(test.required, config.RequiredTerraform))
			if test.want != "" {
				wantError(t, err, test.want)
				return
			}
			check(t, err)
			equal(t, "path", found, filepath.Join(c.dir, ".local", "bin", "terraform"))
		})
	}
}

func TestVariableNamesTerraform(t *testing.T) {
	const old, recent = "#!/bin/sh\necho '{\"terraform_version\": \"1.6.3\"}'\n", "#!/bin/sh\necho '{\"terraform_version\": \"1.10.10\"}'\n"
	dir := harness.WriteFiles(t, nil)
	for file, script := range map[string]string{"path/terraform": recent, "path/tofu": recent, "other/tofu": recent, "path/old": old} {
		checkout{dir: dir}.write(t, file, script)
	}
	t.Setenv("PATH", filepath.Join(dir, "path"))
	t.Chdir(dir)
	for name, test := range map[string]struct{ value, path, err string }{
		"not set":               {"", "path/terraform", ""},
		"a program":             {"tofu", "path/tofu", ""},
		"a path":                {filepath.Join(dir, "other", "tofu"), "other/tofu", ""},
		"a relative path":       {"other/tofu", "other/tofu", ""},
		"an old program":        {"old", "", "TERRAFORM: " + filepath.Join(dir, "path", "old") + " is version 1.6.3, and >= 1.7.0 is required"},
		"a program not on PATH": {"opentofu", "", `TERRAFORM is "opentofu", which is not on PATH`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(terraform.Program, test.value)
			found, err := terraform.Find(t.Context(), dir, config.RequiredTerraform)
			if test.err != "" {
				wantError(t, err, test.err)
				equal(t, "it is installed instead", errors.Is(err, terraform.ErrNotFound), false)
				return
			}
			check(t, err)
			equal(t, "path", found, filepath.Join(dir, test.path))
		})
	}
}

func TestStacksRequireTerraformOfProgram(t *testing.T) {
	t.Parallel()
	for name, s := range harness.Reference(t).Stacks {
		equal(t, "required_version of "+name, harness.Resource(s.Body).Get("terraform", "required_version"), config.RequiredTerraform)
	}
}

func TestMissingCredentialsAreReported(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	wantError(t, terraform.CheckAccount(t.Context(), config.Environment{Region: "eu-west-1", Account: "123456789012"}),
		"no AWS credentials: sign in (aws sso login) and set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
}

func TestOtherAccountIsReportedWithItsLine(t *testing.T) {
	env := (&local.AWS{Region: "eu-west-1", AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}).Env()
	env["AWS_ENDPOINT_URL"] = startSTS(t, "123456789012")
	for name, value := range env {
		t.Setenv(name, value)
	}
	environments, err := config.Load(filepath.Join(newCheckout(t).dir, "environments"))
	check(t, err)
	production := environments[0]
	check(t, terraform.CheckAccount(t.Context(), production))
	production.Account = "999999999999"
	wantError(t, terraform.CheckAccount(t.Context(), production),
		`environments/production.yaml:2:10: account: "999999999999", but the credentials are for account 123456789012 (`)
}

func TestUnreachableStateIsReported(t *testing.T) {
	t.Parallel()
	aws, err := local.Start(t.Context(), local.Options{Root: harness.Root, Dir: t.TempDir(), Account: "123456789012", Region: "eu-west-1"})
	check(t, err)
	// Terraform's default is five retries, which take up to half a minute.
	production := strings.Replace(string(harness.Reference(t).Stack(t, "production").JSON), `"s3": {`, `"s3": {"max_retries": 1,`, 1)
	dir := harness.WriteFiles(t, map[string]string{"production/cdk.tf.json": production})
	binary, err := terraform.Find(t.Context(), harness.Root, config.RequiredTerraform)
	check(t, err)
	stack, err := terraform.Open(filepath.Join(dir, "production"), terraform.Options{Binary: binary, Env: aws.Env()})
	check(t, err)
	wantError(t, stack.Init(t.Context()), "the state bucket starttech-terraform-state-123456789012 does not exist: run make deploy ENV=bootstrap first")
	check(t, aws.Stop())
	if aws.Alive() {
		t.Error("the local AWS is alive after Stop")
	}
	wantError(t, stack.Init(t.Context()), "AWS cannot be reached: check the network and AWS_ENDPOINT_URL; make up starts the local AWS")
}

func TestFailedDownloadOfProviderIsReported(t *testing.T) {
	t.Parallel()
	dir := harness.WriteFiles(t, map[string]string{
		"terraformrc":                 `provider_installation { network_mirror { url = "https://127.0.0.1:1/" } }`,
		"bootstrap/terraform.tfstate": `{"version": 4}`, // this step of a bootstrap needs no state bucket, so Terraform gets as far as the provider
	})
	binary, err := terraform.Find(t.Context(), harness.Root, config.RequiredTerraform)
	check(t, err)
	options := terraform.Options{Binary: binary, Env: map[string]string{"TF_CLI_CONFIG_FILE": filepath.Join(dir, "terraformrc")}}
	apply := func(*terraform.Stack, string) error { return nil }
	_, err = terraform.Bootstrap(t.Context(), harness.Reference(t).StackDir("bootstrap"), filepath.Join(dir, "bootstrap"), options, apply)
	wantError(t, err, "the AWS provider cannot be installed: check the network, or configure a mirror in TF_CLI_CONFIG_FILE")
}

// The stack creates the bucket of its own state, so Bootstrap moves the state there.
func TestBootstrapMovesItsStateToABackendThatLocksInS3(t *testing.T) {
	t.Parallel()
	aws, err := local.Start(t.Context(), local.Options{Root: harness.Root, Dir: t.TempDir(), Account: "123456789012", Region: "eu-west-1"})
	check(t, err)
	t.Cleanup(func() { check(t, aws.Stop()) })
	cli := filepath.Join(harness.Root, ".venv", "bin", "aws") + " s3api "
	dir := harness.WriteFiles(t, map[string]string{"bootstrap/cdk.tf.json": fmt.Sprintf(`{
		"terraform": {"backend": {"s3": {"bucket": "states", "key": "bootstrap/terraform.tfstate", "region": "eu-west-1", "use_lockfile": true}}},
		"resource": {"terraform_data": {"bucket": {"provisioner": {"local-exec": {
			"command": "%[1]s create-bucket --bucket states --create-bucket-configuration LocationConstraint=eu-west-1 && %[1]s put-bucket-versioning --bucket states --versioning-configuration Status=Enabled"
		}}}}}
	}`, cli)})
	binary, err := terraform.Find(t.Context(), harness.Root, config.RequiredTerraform)
	check(t, err)
	options := terraform.Options{Binary: binary, Env: aws.Env()}
	apply := func(stack *terraform.Stack, plan string) error { return stack.Apply(t.Context(), plan) }
	for _, want := range []bool{true, false} {
		done, err := terraform.Bootstrap(t.Context(), filepath.Join(dir, "bootstrap"), filepath.Join(dir, "scratch"), options, apply)
		check(t, err)
		equal(t, "done", done, want)
	}
	stack, err := terraform.Open(filepath.Join(dir, "bootstrap"), options)
	check(t, err)
	_, changes, err := stack.NewPlan(t.Context(), filepath.Join(dir, "plan"), terraform.PlanOptions{Lock: true})
	check(t, err)
	equal(t, "changes after the bootstrap", changes, false)
}

func TestUnknownStackIsReportedWithKnownOnes(t *testing.T) {
	t.Parallel()
	_, err := terraform.Open(harness.Reference(t).StackDir("prod"), terraform.Options{})
	wantError(t, err, "no such stack; the stacks are bootstrap, production, staging")
}
