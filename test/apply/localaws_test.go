package apply

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// startAWS starts a local AWS of the reference environments' account for one test.
func startAWS(t *testing.T) *local.AWS { return startAWSWith(t, local.Options{}) }

// startAWSWith is startAWS with further options. The account may be another one.
func startAWSWith(t *testing.T, options local.Options) *local.AWS {
	t.Helper()
	options.Root, options.Dir, options.Region = harness.Root, t.TempDir(), "eu-west-1"
	options.Account = cmp.Or(options.Account, "123456789012")
	aws, err := local.Start(t.Context(), options)
	harness.Must(t, aws, err)
	t.Cleanup(func() {
		if err := aws.Stop(); err != nil {
			t.Error(err)
		}
	})
	return aws
}

// introspect reads an endpoint that the local AWS has in addition to those of AWS.
func introspect[T any](t *testing.T, aws *local.AWS, path string) (answer T) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, aws.Endpoint()+path, nil)
	harness.Must(t, r, err)
	r.SetBasicAuth(aws.AccessKeyID, aws.SecretAccessKey)
	response, err := http.DefaultClient.Do(r)
	harness.Must(t, response, err)
	defer response.Body.Close()
	harness.Must(t, 0, json.NewDecoder(response.Body).Decode(&answer))
	return answer
}

// get requests a path of a site, as a browser does.
func get(t *testing.T, aws *local.AWS, site, path string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, aws.SiteURL(site)+path, nil)
	harness.Must(t, r, err)
	client := http.Client{Transport: aws.SiteTransport()}
	response, err := client.Do(r)
	harness.Must(t, response, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(harness.Must(t, text, err))
}

// environ is the environment of this process without its AWS variables, overridden by env. An empty value removes a variable.
func environ(env map[string]string) []string {
	merged := map[string]string{}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); !strings.HasPrefix(name, "AWS_") {
			merged[name] = value
		}
	}
	maps.Copy(merged, env)
	var list []string
	for name, value := range merged {
		if value != "" {
			list = append(list, name+"="+value)
		}
	}
	return list
}

// awsCLI runs the AWS CLI with the environment of a role, or of the administrator: local.AWS.Env.
func awsCLI(t *testing.T, env map[string]string, arguments ...string) (output string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "aws", arguments...)
	command.Env = append(environ(env), "AWS_PAGER=")
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// mustAWSCLI is awsCLI as the administrator. An error ends the test.
func mustAWSCLI(t *testing.T, aws *local.AWS, arguments ...string) string {
	t.Helper()
	output, err := awsCLI(t, aws.Env(), arguments...)
	if err != nil {
		t.Fatalf("aws %s: %v: %s", strings.Join(arguments, " "), err, output)
	}
	return output
}
