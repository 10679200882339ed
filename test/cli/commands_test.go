package cli

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestCommandReportsWhatIsMissing(t *testing.T) {
	t.Parallel()
	planned := newCheckout(t)
	planned.mustRun(t, "plan --env production", "")
	plan := planned.read(t, productionDir+"plan")

	type variables map[string]string // an empty value: not set
	nothingOnPath := variables{"PATH": t.TempDir()}
	removePlan := func(t *testing.T, c checkout) { c.remove(t, productionDir+"plan") }
	for name, test := range map[string]struct {
		arguments, want string
		env             variables
		change          func(t *testing.T, c checkout)
	}{
		"unknown command":                {arguments: "upp", want: "unknown command \"upp\" for \"starttech\"\n\nDid you mean this?\n\tup"},
		"another directory":              {arguments: "up", change: func(t *testing.T, c checkout) { c.remove(t, "cdktf.json") }, want: "not in the project's checkout: there is no cdktf.json here or above"},
		"up without an environment file": {arguments: "up --env prod", want: `"prod" is not a stack; the stacks are bootstrap, production, staging`},
		"up with bootstrap":              {arguments: "up --env bootstrap", want: "up creates bootstrap itself; name an environment"},
		"install without npm":            {arguments: "install", env: nothingOnPath, want: "npm is not on PATH: install Node.js, which includes it (https://nodejs.org)\nFix that and run make install again to continue"},
		"synth without npm":              {arguments: "synth", env: nothingOnPath, want: "npm is not on PATH: install Node.js, which includes it"},
		"install without Python": {
			arguments: "install", env: nothingOnPath, change: func(t *testing.T, c checkout) { c.write(t, "node_modules/.installed", c.read(t, "package-lock.json")) },
			want: "python3 is not on PATH: install Python 3.11 or later (https://www.python.org)\nFix that and run make install again to continue",
		},
		"env without a local AWS": {arguments: "env", want: "the local AWS is not running: start it with make up"},

		"comment-plan without a stack":   {arguments: "comment-plan", want: "comment-plan: name the environment: --env NAME"},
		"deploy without a stack":         {arguments: "deploy", want: "deploy: name the environment: --env NAME, or make deploy ENV=NAME"},
		"destroy without a stack":        {arguments: "destroy", want: "destroy: name the environment: --env NAME, or make destroy ENV=NAME"},
		"destroy in a pipeline":          {arguments: "destroy --env production", env: variables{"CI": "true"}, want: "destroy asks a person at a terminal; it does not run in a pipeline (CI is set)"},
		"destroy of bootstrap":           {arguments: "destroy --env bootstrap", env: variables{"CI": "true"}, want: "bootstrap is not destroyed: it contains the Terraform state"},
		"drift with too much":            {arguments: "drift --env production staging", want: `unknown command "staging" for "starttech drift"`},
		"comment without a token":        {arguments: "comment-plan --env production --report report.md", env: variables{"GITHUB_TOKEN": ""}, want: "GITHUB_TOKEN is not set: give the step the job's token, env: GITHUB_TOKEN: ${{ github.token }}"},
		"drift without a token":          {arguments: "drift --env production", env: variables{"GITHUB_TOKEN": " "}, want: "GITHUB_TOKEN is not set: "},
		"comment without a repository":   {arguments: "comment-plan --env production --report report.md", env: variables{"GITHUB_REPOSITORY": ""}, want: "GITHUB_REPOSITORY is not set: a workflow sets it; by hand it is owner/name"},
		"comment with half a repository": {arguments: "comment-plan --env production --report report.md", env: variables{"GITHUB_REPOSITORY": "starttech"}, want: `"starttech" is not a GitHub repository: want owner/name`},
		"comment on a push":              {arguments: "comment-plan --env production --report report.md", env: variables{"GITHUB_REF": "refs/heads/main"}, want: `GITHUB_REF: "refs/heads/main" is not a pull request, refs/pull/12/merge: comment-plan runs in workflows on pull_request`},
		"comment outside a workflow":     {arguments: "comment-plan --env production --report report.md", env: variables{"GITHUB_REF": ""}, want: `GITHUB_REF: "" is not a pull request`},
		"comment on no pull request":     {arguments: "comment-plan --env production --report report.md", env: variables{"GITHUB_REF": "refs/pull/99/merge"}, want: "starttech/infrastructure#99: the pull request does not exist"},
		"comment on another API":         {arguments: "comment-plan --env production --report report.md", env: variables{"GITHUB_API_URL": "api.github.com"}, want: `GITHUB_API_URL: "api.github.com" is not a URL such as https://api.github.com`},
		"plan of another directory":      {arguments: "plan --env ../..", want: `"../.." is not a stack; the stacks are bootstrap, production, staging`},
		"deploy of an unknown stack":     {arguments: "deploy --env prod", want: `"prod" is not a stack; the stacks are bootstrap, production, staging`},
		"deploy of another directory":    {arguments: "deploy --env ../prod", want: `"../prod" is not a stack`},
		"destroy of an unknown stack":    {arguments: "destroy --env prod", want: `"prod" is not a stack; the stacks are bootstrap, production, staging`},
		"destroy of another directory":   {arguments: "destroy --env ../../x", want: `"../../x" is not a stack`},
		"deploy in invalid environments": {
			arguments: "deploy --env ../prod", env: variables{"CI": "true"}, want: "environments/staging.yaml:1:10: account: 1 is a number",
			change: func(t *testing.T, c checkout) { c.write(t, "environments/staging.yaml", "account: 1\n"+repositories) },
		},
		"drift of an unknown stack":      {arguments: "drift --env prod", want: `"prod" is not a stack`},
		"rollback of an unknown stack":   {arguments: "rollback infrastructure --env prod", want: `"prod" is not a stack; the stacks are bootstrap, production, staging`},
		"log that does not exist":        {arguments: "logs foo --env production", want: `"foo" is not a log; allowed: backend, boot, access, waf, flow, or the command query`},
		"two logs":                       {arguments: "logs boot flow", want: `"flow" is one too many; allowed: one of backend, boot, access, waf, flow`},
		"secret without a name":          {arguments: "secrets set --env production", want: "secrets set: name the variable: starttech secrets set NAME"},
		"secret with its value":          {arguments: "secrets set MONGO_URI mongodb://x", want: "secrets set takes a name only; it asks for the value, or reads it from --file or standard input"},
		"smoke-test of an unknown stack": {arguments: "smoke-test --env prod", want: `"prod" is not a stack`},
		"publish of an unknown stack":    {arguments: "publish-outputs --env prod", want: `"prod" is not a stack`},
		"report without a plan":          {arguments: "report --env production", change: removePlan, want: "there is no plan of production; run make plan ENV=production first"},
		"drift without a plan":           {arguments: "drift --env production", change: removePlan, want: "there is no plan of production; run make plan ENV=production first"},
		"smoke-test of bootstrap":        {arguments: "smoke-test --env bootstrap", want: "bootstrap has no site; name an environment"},
		"smoke-test before a deploy":     {arguments: "smoke-test --env production", want: "production has no outputs: it is not deployed"},
		"smoke-test without credentials": {arguments: "smoke-test --env production", env: variables{"AWS_ACCESS_KEY_ID": ""}, want: "no AWS credentials: "},
		"outputs before a deploy":        {arguments: "outputs --env production", want: "production has no outputs: it is not deployed"},
		"summary that cannot be written": {arguments: "report --env production", env: variables{"GITHUB_STEP_SUMMARY": "/nowhere/summary.md"}, want: "GITHUB_STEP_SUMMARY: open /nowhere/summary.md: no such file or directory"},
		"publish without outputs":        {arguments: "publish-outputs --env production", env: variables{"APPLICATION_REPOSITORY_TOKEN": "x"}, want: "the outputs of production are not saved: run make outputs ENV=production first"},
		"check-repository without token": {arguments: "check-repository", env: variables{"GITHUB_TOKEN": ""}, want: "GITHUB_TOKEN is not set: GITHUB_TOKEN=$(gh auth token) make check-repository"},
		"deploy of what nobody approved": {arguments: `deploy --env production --approved ""`, want: `approved: "" is not the content of a plan.digest, which starttech plan writes`},
		"damaged plan": {
			arguments: "report --env production", change: func(t *testing.T, c checkout) { c.write(t, productionDir+"plan", "nothing") },
			want: "show the plan of production: Failed to read the given file as a state or plan file; run make plan ENV=production here first",
		},
		"damaged outputs": {
			arguments: "instances list --env production --outputs report.md", want: "outputs: report.md is not a JSON object with the values of the outputs by their names",
			change: func(t *testing.T, c checkout) { c.write(t, "report.md", "[]") },
		},
		"damaged failure": {
			arguments: "report --env production", change: func(t *testing.T, c checkout) { c.write(t, productionDir+"plan.failed", "nothing") },
			want: productionDir + "plan.failed: invalid character",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckout(t)
			c.startGitHub(t)
			c.copy(t, "local/ministack/requirements.txt", "test/requirements.txt")
			c.write(t, productionDir+"plan", plan)
			c.write(t, "report.md", "### Plan")
			if test.change != nil {
				test.change(t, c)
			}
			for name, value := range test.env {
				if c.env[name] = value; value == "" {
					delete(c.env, name)
				}
			}
			begin := time.Now()
			c.mustFail(t, test.arguments, test.want)
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			for _, pattern := range []string{"*.log", ".local/*.log", ".local/*/*.log"} {
				logs, err := filepath.Glob(filepath.Join(c.dir, pattern))
				check(t, err)
				equal(t, "logs that are left", logs, []string(nil))
			}
		})
	}
}

func TestUpChecksApplicationBeforeItStarts(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	missing := strings.TrimPrefix(server.URL, "http://") + "/application:1"
	for name, test := range map[string]struct{ arguments, want string }{
		"unknown application":        {"--app other", `app: "other" is not an application; allowed: example, none`},
		"none with an image":         {"--app none --image backend.tar", "app: none releases nothing: leave out the image and the site, or the app"},
		"none with a site":           {"--app none --site dist", "app: none releases nothing: leave out the image and the site, or the app"},
		"site without index.html":    {"--site environments", `site: "CHECKOUT/environments" is not the directory of a built frontend: it has no index.html`},
		"site that does not exist":   {"--site dist", `site: "CHECKOUT/dist" is not the directory of a built frontend: it has no index.html`},
		"image that does not exist":  {"--image backend.tar", `image "backend.tar": there is no such file`},
		"image that is no name":      {"--image backend:", `image "backend:" is neither a file of docker save nor the name of an image: could not parse reference: backend:`},
		"image that is another file": {"--image cdktf.json", `image "cdktf.json" is not a file of docker save: unexpected EOF`},
		"image that the registry does not have": {"--image " + missing, fmt.Sprintf(
			"image %q is not a file, and its registry does not return it: GET %s/v2/application/manifests/1: NAME_UNKNOWN: Unknown name", missing, server.URL)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			output, failed := c.run(t, "up "+test.arguments)
			if want := strings.ReplaceAll(test.want, "CHECKOUT", c.dir) + "\n"; !failed || output != want {
				t.Errorf("failed: %v\ngot  %s\nwant %s", failed, output, want)
			}
		})
	}
}

func TestDownWithoutLocalAWSSucceeds(t *testing.T) {
	t.Parallel()
	newCheckout(t).mustRun(t, "down", "There is no local AWS.")
}

func TestUsedPortIsReported(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	_, err = local.Start(t.Context(), local.Options{Root: harness.Root, Dir: t.TempDir(), Account: "123456789012", Port: port})
	wantError(t, err, "port "+strconv.Itoa(port)+" is in use by another program: stop that program, or choose other ports with make up PORT=")
}

func TestMissingLocalAWSIsReported(t *testing.T) {
	_, err := local.Start(t.Context(), local.Options{Root: t.TempDir(), Dir: t.TempDir(), Account: "123456789012"})
	wantError(t, err, "the local AWS is not installed: run make install")
}

// A full disk, or nobody who reads.
func TestOutputThatCannotBePrintedIsAFailure(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.deploy(t, map[string]string{"site_url": "https://x"})
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close()
	c.startVariables(t)
	for _, name := range []string{"report", "outputs", "capacity", "doctor", "secrets list --outputs outputs", "cost"} {
		if name == "cost" { // a stack that has a region
			c.write(t, productionDir+"cdk.tf.json", `{"provider": {"aws": [{"region": "eu-west-1"}]}, "resource": {"aws_kms_key": {"x": {}}}}`)
			c.recordSynthesis(t)
		}
		command := c.command(t, name+" --env production")
		command.Stdout = full
		var printed strings.Builder
		command.Stderr = &printed
		if err := command.Run(); err == nil || !strings.Contains(printed.String(), "no space left on device") {
			t.Errorf("%s: %v\n%s", name, err, printed.String())
		}
	}
}

func TestFilesOfFlagsAreRelativeToTheCaller(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.startGitHub(t)
	c.write(t, "docs/report.md", "text")
	command := c.command(t, "comment-plan --env production --report report.md")
	command.Dir = filepath.Join(c.dir, "docs")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCheckoutWithPathSeparatorIsRefused(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	dir := filepath.Join(t.TempDir(), "a:b")
	check(t, os.Rename(c.dir, dir))
	c.dir = dir
	c.mustFail(t, "report --env production", "/a:b: the path of the checkout contains ':'; move it")
}

// Two commands that find the same installation missing do not install at the same time.
func TestInstallationWaitsForTheOther(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.write(t, ".local/install.lock", "")
	held, err := os.Open(filepath.Join(c.dir, ".local", "install.lock"))
	check(t, err)
	check(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	c.write(t, "bin/npm", "#!/bin/sh\n: > '"+c.dir+"/installed'\n")
	command := c.command(t, "install --deploy")
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	check(t, command.Start())
	time.Sleep(time.Second)
	equal(t, "it installs while another command does", c.exists("installed"), false)
	check(t, held.Close())
	_ = command.Wait() // npm has installed nothing
	equal(t, "it installs afterwards", c.exists("installed"), true)
	has(t, "output", output.String(), "Another command is installing into this checkout: waiting for its end ...")
}

func TestStatusDoesNotTestAnAPIThatTheSiteDoesNotForward(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as CloudFront from the bucket
		if r.URL.Path == "/up" {
			t.Error("the path is requested")
		}
	}))
	t.Cleanup(site.Close)
	c := newCheckout(t)
	const file = "environments/production.yaml"
	c.write(t, file, c.read(t, file)+"\nloadBalancer: {healthCheckPath: /up}\n")
	c.write(t, "outputs", fmt.Sprintf(`{"site_url": %q}`, site.URL))
	c.env["AWS_MAX_ATTEMPTS"] = "1"
	output, _ := c.run(t, "status"+ofProduction)
	has(t, "status", output, "not tested: /up is not in frontend.apiPaths\n")
	if strings.Contains(output, " at /up") {
		t.Error(output)
	}
}

func TestRollbackOfInfrastructureChecksTheAccountFirst(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.addGo(t)
	for _, arguments := range []string{"init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm a"} {
		git := exec.Command("git", strings.Fields(arguments)...)
		git.Dir = c.dir
		out, err := git.CombinedOutput()
		harness.Must(t, string(out), err)
	}
	c.env["AWS_ENDPOINT_URL"] = startSTS(t, "999999999999")
	c.mustFail(t, "rollback infrastructure --env production --commit HEAD", `account: "123456789012", but the credentials are for account 999999999999`)
	delete(c.env, "AWS_ACCESS_KEY_ID")
	c.mustFail(t, "rollback infrastructure --env production --commit HEAD", "no AWS credentials: ")
	equal(t, "whether there is a worktree", c.exists(".local/commit"), false)
}
