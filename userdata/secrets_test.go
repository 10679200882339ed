package userdata_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/userdata"
)

// putSecrets makes the machine read secrets. The arguments are names and values in turn; "" is a secret without a value.
func (m *machine) putSecrets(namesAndValues ...string) {
	m.t.Helper()
	m.must(os.MkdirAll(m.file("state/secrets"), 0o755))
	m.settings.Secrets = nil
	for i := 0; i < len(namesAndValues); i += 2 {
		name, value := namesAndValues[i], namesAndValues[i+1]
		m.settings.Secrets = append(m.settings.Secrets, "/starttech/production/"+name)
		if value != "" {
			content, err := json.Marshal(value) // the CLI prints a string of JSON
			m.must(err)
			m.write("state/secrets/"+name, string(content)+"\n")
		}
	}
}

func secretJSON(t *testing.T, keysAndValues ...string) string {
	t.Helper()
	values := map[string]string{}
	for i := 0; i < len(keysAndValues); i += 2 {
		values[keysAndValues[i]] = keysAndValues[i+1]
	}
	content, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestSecretsBecomeEnvironmentVariables(t *testing.T) {
	t.Parallel()
	forEachVersion(t, func(t *testing.T, m *machine) {
		m.write("state/parameters", parameters("cache/LOG_LEVEL", "DEBUG\n"))
		m.putSecrets("backend", secretJSON(t, "MONGO_URI", mongoURI), "jwt", secretJSON(t, "JWT_SECRET_KEY", jwtKey))
		m.mustBoot()
		equal(t, "backend.env", m.read("root/etc/starttech/backend.env"), environment)
		equalLines(t, "calls", m.calls("aws secretsmanager"), []string{
			"aws secretsmanager get-secret-value --secret-id /starttech/production/backend --query SecretString --output json" + awsOptions,
			"aws secretsmanager get-secret-value --secret-id /starttech/production/jwt --query SecretString --output json" + awsOptions,
		})

		m.write("state/parameters", "[]\n") // no parameter, an empty secret, a value that overrides one of Terraform's
		m.putSecrets("backend", "{}", "jwt", secretJSON(t, "JWT_SECRET_KEY", jwtKey, "LOG_LEVEL", "DEBUG", "MONGO_URI", mongoURI))
		m.mustBoot()
		equal(t, "backend.env", m.read("root/etc/starttech/backend.env"), environment)
	})
}

// A rotation that is not complete ends within the tries of the boot.
func TestBootWaitsForAValueAndNamesTheSecretWithoutOne(t *testing.T) {
	t.Parallel()
	forEachVersion(t, func(t *testing.T, m *machine) {
		m.write("state/parameters", "[]\n")
		m.putSecrets("backend", "{}", "jwt", "")
		m.boot()
		if n := len(m.calls("aws secretsmanager get-secret-value --secret-id /starttech/production/jwt")); n != 6 {
			t.Errorf("%d tries, want 6", n)
		}
		m.checkBootFailure("read the secret /starttech/production/jwt",
			"An error occurred (ResourceNotFoundException) when calling the GetSecretValue operation: Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")
	})
}

func TestSecretsThatAreNoneAreRejectedWithoutTheirValue(t *testing.T) {
	t.Parallel()
	const step = "read the secret /starttech/production/backend"
	for name, test := range map[string]struct{ value, reason string }{
		"text":      {secret, "the value is not a JSON object of strings"},
		"list":      {`["` + secret + `"]`, "the value is not a JSON object of strings"},
		"number":    {`{"A": 5}`, "the value is not a JSON object of strings"},
		"null":      {"null", "the value is not a JSON object of strings"},
		"name":      {`{"a-b": "` + secret + `"}`, "the last component of /starttech/production/backend/a-b is not a variable name ([A-Za-z_][A-Za-z0-9_]*); rename it"},
		"newline":   {`{"A": "` + secret + `\nB"}`, "the value of /starttech/production/backend/A contains a newline or a carriage return"},
		"port":      {`{"PORT": "9090"}`, "/starttech/production/backend/PORT must be 8080, where the load balancer connects"},
		"duplicate": {`{"MONGO_URI": "` + secret + `"}`, "/starttech/production/backend/MONGO_URI and /starttech/production/backend/MONGO_URI both set the variable MONGO_URI; delete one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			forEachVersion(t, func(t *testing.T, m *machine) {
				m.putSecrets("backend", test.value)
				m.boot()
				m.checkBootFailure(step, test.reason)
			})
		})
	}
}

// The script of an environment without secrets is boot.sh, byte for byte.
func TestScriptHasSecretsOnlyIfTheSettingsHave(t *testing.T) {
	t.Parallel()
	boot, err := os.ReadFile("boot.sh")
	if err != nil {
		t.Fatal(err)
	}
	without, with := production(), production()
	with.Secrets = []string{"/starttech/production/backend", "/starttech/production/jwt", "/starttech/production/redis"}
	if !strings.HasSuffix(userdata.Script(without), strings.TrimPrefix(string(boot), "#!/bin/bash\n")) || strings.Contains(userdata.Script(without), "SECRET=") {
		t.Error("the script without secrets is not boot.sh")
	}
	script := userdata.Script(with)
	contains(t, "script", script, "\nSECRETS='/starttech/production/backend\n/starttech/production/jwt\n/starttech/production/redis'\n")
	contains(t, "script", script, "\nrun decode_parameters\n# list_secret prints")
	// As TestScriptFitsInUserData.
	if size := len(script); size >= 15<<10 {
		t.Errorf("the script has %d bytes, want fewer than %d", size, 15<<10)
	}
}
