package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/github/githubtest"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// checkout is a temporary checkout with the reference environments and one synthesized stack, production. Commands run in it
// with the environment variables of a workflow step and with the real Terraform, which needs no provider for that stack.
// GitHub, AWS STS and the site are servers of the test.
type checkout struct {
	dir string
	env map[string]string
}

// productionDir is the directory of the stack in a checkout.
const productionDir = "cdktf.out/stacks/production/"

func newCheckout(t *testing.T) checkout {
	t.Helper()
	c := checkout{dir: t.TempDir()}
	c.copy(t, "cdktf.json", "package-lock.json")
	check(t, harness.CopyEnvironments(c.dir, filepath.Join(harness.Root, harness.ReferenceDir)))
	c.write(t, "bin/terraform", harness.Must2(t, terraformScript))
	c.env = map[string]string{
		"PATH":                      filepath.Join(c.dir, "bin"), // nothing else of the machine
		"HOME":                      t.TempDir(),
		"AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID":         "test",
		"AWS_SECRET_ACCESS_KEY":     "test",
		"AWS_ENDPOINT_URL":          startSTS(t, "123456789012"),
		"GITHUB_STEP_SUMMARY":       filepath.Join(c.dir, "summary.md"),
	}
	c.writeStack(t, "a", nil)
	return c
}

// addGo adds Go, its caches and the rest of the machine to the environment.
func (c checkout) addGo(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "-json", "GOMODCACHE", "GOCACHE").Output()
	check(t, err)
	check(t, json.Unmarshal(out, &c.env))
	c.env["PATH"] += ":" + os.Getenv("PATH")
}

// terraformScript is a script that runs Terraform. It prints the version itself, which every command asks for twice.
var terraformScript = sync.OnceValues(func() (string, error) {
	binary, err := terraform.Find(context.Background(), harness.Root, config.RequiredTerraform)
	if err != nil {
		return "", err
	}
	version, err := exec.Command(binary, "version", "-json").Output()
	if err != nil {
		return "", fmt.Errorf("terraform version: %w", err)
	}
	return fmt.Sprintf("#!/bin/sh\nif [ \"$*\" = 'version -json' ]; then printf %%s '%s'; else exec '%s' \"$@\"; fi\n", version, binary), nil
})

// startSTS starts a server that answers AWS's GetCallerIdentity, and returns its URL.
func startSTS(t *testing.T, account string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeIdentity(w, account) }))
	t.Cleanup(server.Close)
	return server.URL
}

// writeIdentity answers GetCallerIdentity.
func writeIdentity(w http.ResponseWriter, account string) {
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
		<Arn>arn:aws:iam::%[1]s:user/somebody</Arn><UserId>AIDA</UserId><Account>%[1]s</Account>
		</GetCallerIdentityResult></GetCallerIdentityResponse>`, account)
}

// startGitHub starts a GitHub with this repository, and sets the variables of a workflow on a pull request.
func (c checkout) startGitHub(t *testing.T) *githubtest.Server {
	t.Helper()
	const repository = "starttech/infrastructure"
	server := githubtest.Start(t, repository)
	maps.Copy(c.env, map[string]string{
		"GITHUB_API_URL": server.URL, "GITHUB_TOKEN": githubtest.Token, "GITHUB_REPOSITORY": repository, "GITHUB_REF": "refs/pull/12/merge",
	})
	return server
}

// write writes a file, which is executable, because it may be a script.
func (c checkout) write(t *testing.T, file, content string) {
	t.Helper()
	path := filepath.Join(c.dir, file)
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(content), 0o755))
}

// copy copies files from the project's checkout.
func (c checkout) copy(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(harness.Root, file))
		c.write(t, file, string(harness.Must(t, content, err)))
	}
}

// read is the content of a file; empty if there is none.
func (c checkout) read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(content)
}

func (c checkout) remove(t *testing.T, file string) {
	t.Helper()
	check(t, os.Remove(filepath.Join(c.dir, file)))
}

// writeStack writes the synthesized stack: one resource with an input, and outputs.
func (c checkout) writeStack(t *testing.T, input string, outputs map[string]string) {
	t.Helper()
	stack := map[string]any{
		"terraform": map[string]any{"backend": map[string]any{"local": map[string]any{}}},
		"resource":  map[string]any{"terraform_data": map[string]any{"thing": map[string]any{"input": input}}},
	}
	if len(outputs) > 0 { // Terraform accepts no empty block
		values := map[string]any{}
		for name, value := range outputs {
			values[name] = map[string]any{"value": value}
		}
		stack["output"] = values
	}
	body, err := json.Marshal(stack)
	c.write(t, productionDir+"cdk.tf.json", string(harness.Must(t, body, err)))
	c.recordSynthesis(t)
}

// recordSynthesis writes the record of a synthesis, as starttech does after it (internal/synth/stamp.go), for stacks that the test
// has written itself.
func (c checkout) recordSynthesis(t *testing.T) {
	t.Helper()
	record := map[string]map[string]string{}
	for part, patterns := range map[string][]string{
		"code":         {"go.mod", "go.sum", "package-lock.json"},
		"environments": {"environments/*"},
		"outputs":      {"cdktf.out/manifest.json", "cdktf.out/stacks/*/cdk.tf.json"},
	} {
		record[part] = map[string]string{}
		for _, pattern := range patterns {
			files, err := fs.Glob(os.DirFS(c.dir), pattern)
			check(t, err)
			for _, file := range files {
				info, err := os.Stat(filepath.Join(c.dir, file))
				check(t, err)
				record[part][file] = fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	content, err := json.Marshal(record)
	c.write(t, ".local/synth.json", string(harness.Must(t, content, err)))
}

// plan writes the stack and plans it.
func (c checkout) plan(t *testing.T, input string, outputs map[string]string) {
	t.Helper()
	c.writeStack(t, input, outputs)
	c.mustRun(t, "plan --env production", "")
}

// apply applies the last plan.
func (c checkout) apply(t *testing.T) {
	t.Helper()
	apply := exec.Command(filepath.Join(c.dir, "bin", "terraform"), "apply", "-no-color", "plan")
	apply.Dir = filepath.Join(c.dir, productionDir)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// deploy plans and applies the stack with outputs.
func (c checkout) deploy(t *testing.T, outputs map[string]string) {
	t.Helper()
	c.plan(t, "a", outputs)
	c.apply(t)
}

// command is starttech with arguments, which are separated by spaces; "" is an empty one.
func (c checkout) command(t *testing.T, arguments string) *exec.Cmd {
	t.Helper()
	command := exec.Command(harness.Must2(t, harness.StartTech))
	for _, argument := range strings.Fields(arguments) {
		command.Args = append(command.Args, strings.Trim(argument, `"`))
	}
	c.in(command)
	return command
}

// in makes a command run in the checkout, with its environment variables.
func (c checkout) in(command *exec.Cmd) {
	command.Dir = c.dir
	for name, value := range c.env {
		command.Env = append(command.Env, name+"="+value)
	}
}

// run runs a command without standard input, as a workflow step does.
func (c checkout) run(t *testing.T, arguments string) (output string, failed bool) {
	t.Helper()
	command := c.command(t, arguments)
	command.Args = append([]string{"/bin/sh", "-c", `exec "$0" "$@" <&-`}, command.Args...)
	command.Path = "/bin/sh"
	out, err := command.CombinedOutput()
	for _, never := range []string{"goroutine", "panic", githubtest.Token} {
		if strings.Contains(string(out), never) {
			t.Errorf("%s: %q is in the output:\n%s", arguments, never, out)
		}
	}
	return string(out), err != nil
}

// mustRun fails the test unless a command succeeds and prints a text.
func (c checkout) mustRun(t *testing.T, arguments, want string) {
	t.Helper()
	if output, failed := c.run(t, arguments); failed || !strings.Contains(output, want) {
		t.Fatalf("%s:\n%s\nwant %q", arguments, output, want)
	}
}

// mustFail fails the test unless a command fails and its output ends with an error that contains a text of as many lines.
func (c checkout) mustFail(t *testing.T, arguments, want string) {
	t.Helper()
	output, failed := c.run(t, arguments)
	lines := strings.Split(strings.TrimSpace(output), "\n")
	end := strings.Join(lines[max(0, len(lines)-1-strings.Count(want, "\n")):], "\n")
	if !failed || !strings.Contains(end, want) {
		t.Errorf("%s:\n%s\nwant a failure with %q", arguments, output, want)
	}
}

// smallProgram takes the place of the project's program. It writes production, counts its runs in the file runs, and writes the
// variable of the package cache into the file root.
const smallProgram = `package main

import (
	"os"

	_ "github.com/aws/constructs-go/constructs/v10"
)

func main() {
	runs, _ := os.ReadFile("runs")
	for name, content := range map[string]string{
		"runs": string(runs) + "x",
		"root": os.Getenv("JSII_RUNTIME_PACKAGE_CACHE_ROOT"),
		"cdktf.out/manifest.json": "{\"stacks\": {\"production\": {}}}",
		"cdktf.out/stacks/production/cdk.tf.json":
			"{\"terraform\": {\"backend\": {\"local\": {}}}, \"resource\": {\"terraform_data\": {\"thing\": {\"input\": \"" + string(runs) + "\"}}}}",
	} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			panic(err)
		}
	}
}
`

// newProgramCheckout is a checkout with smallProgram, in which everything is installed and nothing is synthesized.
func newProgramCheckout(t *testing.T) checkout {
	t.Helper()
	c := newCheckout(t)
	c.addGo(t)
	c.copy(t, "go.mod", "go.sum")
	c.write(t, "node_modules/.installed", c.read(t, "package-lock.json"))
	c.write(t, "main.go", smallProgram)
	c.write(t, "lambda/rotation/main.go", "package main\n\nfunc main() {}\n") // the function that the program builds
	c.remove(t, ".local/synth.json")
	return c
}
