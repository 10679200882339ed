package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/test/internal/harness"
)

const lifeQuestion = "Type production to continue: "

// newLifeCheckout returns a checkout whose production may be destroyed, with bootstrap.
func newLifeCheckout(t *testing.T) checkout {
	t.Helper()
	c := newCheckout(t)
	const file = "environments/production.yaml"
	c.write(t, file, strings.Replace(c.read(t, file), "deletionProtection: true", "deletionProtection: false", 1))
	c.write(t, "cdktf.out/stacks/bootstrap/cdk.tf.json", c.read(t, productionDir+"cdk.tf.json"))
	c.writeStack(t, "a", nil)
	return c
}

// live runs life at a terminal. The file pid has its process ID.
func (c checkout) live(t *testing.T, answer string) (screen string, status int) {
	t.Helper()
	command := c.command(t, "life --env production")
	command.Args = append([]string{"/bin/sh", "-c", `echo $$ > pid; exec "$0" "$@"`}, command.Args...)
	command.Path = "/bin/sh"
	return harness.RunAtTerminal(t, command, 140, answer, 2*time.Minute)
}

// addResource adds a resource to production, which is created after the first one. script is its provisioner; empty: none.
func (c checkout) addResource(t *testing.T, script string) {
	t.Helper()
	provisioner := ""
	if script != "" {
		provisioner = `"provisioner": {"local-exec": {"command": "` + script + `"}}, `
	}
	c.write(t, productionDir+"more.tf.json", `{"resource": {"terraform_data": {"more": {`+provisioner+`"depends_on": ["terraform_data.thing"]}}}}`)
}

func (c checkout) wantNoResource(t *testing.T) {
	t.Helper()
	if state := c.read(t, productionDir+"terraform.tfstate"); strings.Contains(state, "terraform_data") || !strings.Contains(state, "serial") {
		t.Errorf("the state is not that of a destroyed environment:\n%s", state)
	}
}

func TestLifeRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(c checkout)
		answer  string
		want    string
	}{
		"an environment that is protected": {func(c checkout) {
			c.write(t, "environments/production.yaml", strings.Replace(c.read(t, "environments/production.yaml"), "deletionProtection: false", "deletionProtection: true", 1))
		}, "", "production: deletionProtection is true, and a life ends with a destroy"},
		"in a pipeline": {func(c checkout) { c.env["CI"] = "true" }, "", "it does not run in a pipeline (CI is set)"},
		"an environment whose plan only adds": {func(c checkout) {
			c.deploy(t, nil)
			c.addResource(t, "")
		}, "", "production is deployed: its state has 1 resources; allowed: an environment of its own."},
		"an environment whose plan is empty": {func(c checkout) { c.deploy(t, nil) }, "", "production is deployed: its state has 1 resources"},
		"without approval":                   {func(checkout) {}, "yes\n", notApproved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newLifeCheckout(t)
			test.prepare(c)
			before := c.read(t, productionDir+"terraform.tfstate")
			screen, status := c.live(t, test.answer)
			equal(t, "status", status, 1)
			has(t, "screen", screen, test.want)
			equal(t, "asks", strings.Contains(screen, lifeQuestion), test.answer != "")
			equal(t, "state", c.read(t, productionDir+"terraform.tfstate"), before)
		})
	}
	c := newLifeCheckout(t)
	c.mustFail(t, "life --env bootstrap", "bootstrap has no life: it stays; name an environment")
	c.mustFail(t, "life --env production", "life asks for approval, but standard input is not a terminal")
	if output, _ := c.run(t, "life --env production"); strings.Contains(output, "CI=true") { // it does not run in a pipeline
		t.Error(output)
	}
}

func TestLifeNamesBootstrapBeforeItAsks(t *testing.T) {
	t.Parallel()
	screen, _ := newLifeCheckout(t).live(t, "no\n")
	has(t, "screen", screen, "\nDeploy production to account 123456789012 (eu-west-1) at http://127.0.0.1:", ", not on AWS, and destroy it again? It takes about an hour, and less than 1 USD.\n"+
		"bootstrap, which it creates unless it exists, stays.\n"+lifeQuestion)
}

func TestFailedLifeDestroysWhatThereIs(t *testing.T) {
	t.Parallel()
	c := newLifeCheckout(t)
	c.addResource(t, "exit 3")
	screen, status := c.live(t, "production\n")
	equal(t, "status", status, 1)
	has(t, "screen", screen, "Deploy production (2 resources) ...", " failed after ", "Destroy production ...", "local-exec")
	c.wantNoResource(t)
}

func TestInterruptedLifeDestroysWhatThereIs(t *testing.T) {
	t.Parallel()
	c := newLifeCheckout(t)
	c.addResource(t, "kill -INT $(/bin/cat "+c.dir+"/pid); exec /bin/sleep 1")
	screen, status := c.live(t, "production\n")
	equal(t, "status", status, 1)
	has(t, "screen", screen, "SIGINT: Terraform goes on until this is complete", "Destroy production ...",
		"\ninterrupted by SIGINT, after this was complete: Deploy production (2 resources); run the command again to continue\n")
	c.wantNoResource(t)
}

func TestLifeThatCannotDestroySaysSo(t *testing.T) {
	t.Parallel()
	c := newLifeCheckout(t)
	c.write(t, productionDir+"more.tf.json", `{"resource": {"terraform_data": {"more": {"provisioner": {"local-exec": {"command": "exit 3", "when": "destroy"}}}}}}`)
	screen, status := c.live(t, "production\n")
	equal(t, "status", status, 1)
	has(t, "screen", screen, "\nproduction is not destroyed: run make destroy ENV=production\n")
}

// A life ends before its release here, because the stack has no group. JWT_SECRET_KEY is written before, or with secrets, which generates
// it, a value of the operators' secret.
func TestLifeDeletesOnlyItsOwnParameter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		exists, secrets bool
		want            []string
	}{
		"its own":       {want: []string{"PutParameter", "DeleteParameter"}},
		"an operator's": {exists: true, want: []string{"PutParameter"}},
		"none":          {secrets: true, want: []string{"GetSecretValue", "PutSecretValue"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			defer site.Close()
			c := newLifeCheckout(t)
			if test.secrets {
				c.write(t, "environments/production.yaml", c.read(t, "environments/production.yaml")+"\nsecrets: {}\n")
			}
			var calls []string
			parameters := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
				calls = append(calls, call)
				if call == "PutParameter" && test.exists {
					w.WriteHeader(http.StatusBadRequest)
					fmt.Fprint(w, `{"__type": "ParameterAlreadyExists"}`)
					return
				}
				if call == "GetSecretValue" {
					w.WriteHeader(http.StatusBadRequest)
					fmt.Fprint(w, `{"__type": "ResourceNotFoundException"}`)
					return
				}
				fmt.Fprint(w, `{"Version": 1}`)
			}))
			defer parameters.Close()
			c.env["AWS_ENDPOINT_URL_SSM"], c.env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = parameters.URL, parameters.URL
			c.writeStack(t, "a", map[string]string{"site_url": site.URL, "parameter_path": "/starttech/production/backend/"})
			screen, status := c.live(t, "production\n")
			equal(t, "status", status, 1)
			has(t, "screen", screen, "Plan again: nothing to change ...", "Request the site ...", "Destroy production ...", "auto_scaling_group_name")
			equal(t, "calls", calls, test.want)
			c.wantNoResource(t)
		})
	}
}
