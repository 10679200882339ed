package test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
)

// says fails the test unless an error says something in one line.
func says(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if got := err.Error(); !strings.Contains(got, want) || strings.Contains(strings.TrimSpace(got), "\n") {
		t.Errorf("got  %q\nwant one line with %q", got, want)
	}
}

// standIn puts a program of that name first on PATH, alone.
func standIn(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestWithoutTerraformItSaysWhichOneToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := terraform.Find(t.Context(), t.TempDir())
	says(t, err, "terraform is not on PATH, and Terraform >= 1.7.0 is required: run make install, or install it yourself")
}

func TestAnOldTerraformIsNotTaken(t *testing.T) {
	standIn(t, "terraform", `echo '{"terraform_version": "1.5.7"}'`)
	_, err := terraform.Find(t.Context(), t.TempDir())
	says(t, err, "is version 1.5.7, and Terraform >= 1.7.0 is required: run make install")
}

func TestATerraformInTheCheckoutStandsInForAnOldOne(t *testing.T) {
	checkout := t.TempDir()
	own := filepath.Join(checkout, ".local", "bin", "terraform")
	if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte("#!/bin/sh\necho '{\"terraform_version\": \"1.11.4\"}'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	standIn(t, "terraform", `echo '{"terraform_version": "1.5.7"}'`)
	found, err := terraform.Find(t.Context(), checkout)
	if err != nil || found != own {
		t.Errorf("found %q, %v; want %q", found, err, own)
	}
}

func TestStacksAndProgramAskForTheSameTerraform(t *testing.T) {
	for name, s := range shipped.stacks {
		if got := resource(s.body).get("terraform", "required_version"); got != config.RequiredTerraform {
			t.Errorf("%s asks for %v, the program for %s", name, got, config.RequiredTerraform)
		}
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	_, err = local.Start(t.Context(), local.Options{Root: root, Dir: t.TempDir(), Account: "123456789012", Port: port})
	says(t, err, "port "+strconv.Itoa(port)+" is in use by another program: stop that program, or choose another port with make up PORT=")
}

func TestTheLocalAWSIsNotInstalled(t *testing.T) {
	_, err := local.Start(t.Context(), local.Options{Root: t.TempDir(), Dir: t.TempDir(), Account: "123456789012"})
	says(t, err, "the local AWS is not installed: run make install")
}

func TestWithoutCredentialsItSaysHowToSignIn(t *testing.T) {
	noCredentials(t)
	says(t, terraform.CheckAccount(t.Context(), config.Environment{Region: "eu-west-1", Account: "123456789012"}),
		"no AWS credentials: sign in (aws sso login) and set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
}

// noCredentials hides the caller's own.
func noCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestAnAccountThatIsNotTheEnvironmentsIsRefusedWithTheLineToEdit(t *testing.T) {
	env := (&local.AWS{Region: "eu-west-1"}).Env()
	env["AWS_ENDPOINT_URL"] = callerIdentity(t, "123456789012")
	for name, value := range env {
		t.Setenv(name, value)
	}
	environments, err := config.Load("../environments")
	if err != nil {
		t.Fatal(err)
	}
	theirs := environments[0]
	if err := terraform.CheckAccount(t.Context(), theirs); err != nil {
		t.Errorf("its own account: %v", err)
	}
	theirs.Account = "999999999999"
	says(t, terraform.CheckAccount(t.Context(), theirs),
		`environments/production.yaml:5:10: account: "999999999999", but the credentials are for account 123456789012 (`)
}

func TestAStateThatIsOutOfReachIsSaid(t *testing.T) {
	t.Parallel()
	aws := startAWS(t)
	t.Run("a missing state bucket", func(t *testing.T) {
		says(t, opened(t, aws).Init(t.Context()),
			"the state bucket starttech-terraform-state-123456789012 does not exist: run make deploy ENV=bootstrap first")
	})
	t.Run("a dead local AWS", func(t *testing.T) {
		if err := aws.Stop(); err != nil {
			t.Fatal(err)
		}
		if aws.Alive() {
			t.Error("it is alive after its end")
		}
		says(t, opened(t, aws).Init(t.Context()), "AWS cannot be reached: check the network and AWS_ENDPOINT_URL; make up starts the local AWS")
	})
}

// opened is production in a folder of its own. Its backend asks AWS once; five times, which is Terraform's default, take it
// up to half a minute.
func opened(t *testing.T, aws *local.AWS) *terraform.Stack {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(production(t).json, &body); err != nil {
		t.Fatal(err)
	}
	backend, ok := resource(body).get("terraform", "backend", "s3").(map[string]any)
	if !ok {
		t.Fatal("production has no S3 backend")
	}
	backend["max_retries"] = 1
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	dir := writeFiles(t, map[string]string{"production/cdk.tf.json": string(content)})
	stack, err := terraform.Open(filepath.Join(dir, "production"), optionsFor(t, aws))
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

func TestAProviderThatCannotBeDownloadedIsSaid(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), "terraformrc")
	if err := os.WriteFile(settings, []byte(`provider_installation { network_mirror { url = "https://127.0.0.1:1/" } }`), 0o644); err != nil {
		t.Fatal(err)
	}
	scratch := filepath.Join(t.TempDir(), "bootstrap")
	binary, err := terraform.Find(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	options := terraform.Options{Binary: binary, Env: map[string]string{"TF_CLI_CONFIG_FILE": settings}}
	// The first step of a bootstrap needs no state bucket, so it comes as far as the provider.
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(scratch, "terraform.tfstate"), []byte(`{"version": 4}`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = terraform.Bootstrap(t.Context(), filepath.Join(shipped.dir, "cdktf.out", "stacks", "bootstrap"), scratch, options, approved)
	says(t, err, "the AWS provider cannot be installed: check the network, or configure a mirror in TF_CLI_CONFIG_FILE")
}

func TestAnUnknownStackIsNamedWithThoseThatThereAre(t *testing.T) {
	_, err := terraform.Open(filepath.Join(shipped.dir, "cdktf.out", "stacks", "prod"), terraform.Options{})
	says(t, err, "no such stack; the stacks are bootstrap, production, staging")
}

// commandLine is the path of the built command, cmd/starttech; built once, when the first test asks for it.
var commandLine = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "starttech")
	build := exec.Command("go", "build", "-ldflags=-w", "-o", path, "./cmd/starttech") // nobody debugs it
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// TestCommands is what a person sees of the command line where something is missing.
func TestCommands(t *testing.T) {
	t.Parallel()
	command, err := commandLine()
	if err != nil {
		t.Fatal(err)
	}
	checkout := func(t *testing.T) string {
		dir := t.TempDir()
		for _, file := range []string{"cdktf.json", "package-lock.json", "local/ministack/requirements.txt", "test/requirements.txt", "environments/production.yaml"} {
			content, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for _, c := range []struct {
		name, want string
		arguments  []string
		succeeds   bool
		change     func(t *testing.T, dir string)
	}{
		{name: "no command", succeeds: true, want: "Plan and deploy:"},
		{name: "an unknown command", arguments: []string{"upp"}, want: `unknown command "upp" for "starttech"`},
		{
			name: "another folder", arguments: []string{"up"}, want: "not in the project's checkout: there is no cdktf.json here or above",
			change: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "cdktf.json")) },
		},
		{name: "an unknown environment", arguments: []string{"up", "--env", "prod"}, want: `"prod" is not a stack; the stacks are bootstrap, production`},
		{name: "up with bootstrap", arguments: []string{"up", "--env", "bootstrap"}, want: "up creates bootstrap itself; name an environment"},
		{name: "no npm", arguments: []string{"install"}, want: "npm is not on PATH: install Node.js, which includes it"},
		{name: "no local AWS", arguments: []string{"env"}, want: "the local AWS is not running: start it with make up"},
		{name: "no npm to synthesize with", arguments: []string{"synth"}, want: "npm is not on PATH: install Node.js, which includes it"},
		{
			name: "no python3", arguments: []string{"install"}, want: "python3 is not on PATH: install Python 3.11 or later",
			change: func(t *testing.T, dir string) {
				lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(filepath.Join(dir, "node_modules"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "node_modules", ".installed"), lock, 0o644); err != nil {
					t.Fatal(err)
				}
			},
		},
		{name: "nothing to take down", succeeds: true, arguments: []string{"down"}, want: "There is no local AWS."},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := checkout(t)
			if c.change != nil {
				c.change(t, dir)
			}
			run := exec.Command(command, c.arguments...)
			run.Dir = dir
			run.Env = []string{"PATH=" + t.TempDir(), "HOME=" + t.TempDir()}
			begin := time.Now()
			out, err := run.CombinedOutput()
			if (err == nil) != c.succeeds || !strings.Contains(string(out), c.want) {
				t.Errorf("%v: %v\n%s\nwant %q", c.arguments, err, out, c.want)
			}
			for _, trace := range []string{"goroutine", "panic"} {
				if strings.Contains(string(out), trace) {
					t.Errorf("a stack trace reaches the user:\n%s", out)
				}
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
