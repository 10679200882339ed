package operate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestParametersAreListedWithoutValues(t *testing.T) {
	start(t, local.Options{})
	e := open(t, operate.Outputs{"parameter_path": "/starttech/staging/backend/"})
	for name, test := range map[string]struct{ value, err string }{
		"MONGO_URI":  {"mongodb://user:password@host/db", ""},
		"lower_case": {"x", ""},
		"A-B":        {"x", `"A-B" is not the name of an environment variable; allowed: letters, digits and _, not beginning with a digit`},
		"PORT":       {"8080", "PORT is not an operator's variable: the instances set it to the port where the load balancer connects"},
		"EMPTY":      {"", "the value of EMPTY is empty"},
		"LONG":       {strings.Repeat("x", 4097), "the value of LONG has 4097 bytes; allowed: 4096"},
		"LATIN":      {"caf\xe9", "the value of LATIN is not text in UTF-8"},
		"UTF16":      {"\xff\xfea\x00", "the value of UTF16 is not text in UTF-8"},
		"BOM":        {"\ufeffx", "the value of BOM begins with a byte order mark, which would be a part of it; write it without"},
		"LINES":      {"a\nb", "the value of LINES has a line break or a NUL; a variable of the container is one line"},
	} {
		_, err := e.SetVariable(t.Context(), name, test.value)
		harness.Equal(t, name, errorText(err), test.err)
	}
	parameters, err := e.Variables(t.Context())
	harness.Must(t, 0, err)
	var names []string
	for _, parameter := range parameters {
		names = append(names, parameter.Name)
		if strings.Contains(fmt.Sprint(parameter), "password") {
			t.Errorf("%v has the value", parameter)
		}
	}
	harness.Equal(t, "parameters", names, []string{"MONGO_URI", "lower_case"})
	harness.Equal(t, "missing", e.MissingVariables(parameters), []string{"JWT_SECRET_KEY"})
	if created, err := e.CreateParameter(t.Context(), "MONGO_URI", "other"); created || err != nil {
		t.Errorf("an existing parameter is created: %t %v", created, err)
	}
}

func TestVariablesAreKeysOfTheSecret(t *testing.T) {
	start(t, local.Options{})
	const secret = "/starttech/staging/backend"
	e := open(t, operate.Outputs{"parameter_path": secret + "/"})
	for _, name := range []string{"DB_NAME", "JWT_SECRET_KEY"} { // of the time before the block
		_, err := e.SetVariable(t.Context(), name, "parameter")
		harness.Must(t, 0, err)
	}
	e.Secrets, e.Cache.Auth = &config.Secrets{}, true
	client := secretsmanager.NewFromConfig(settings(t))
	value := func() string {
		t.Helper()
		answer, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(secret)})
		return aws.ToString(harness.Must(t, answer, err).SecretString)
	}
	set := func(name, value, wantErr string) (created bool) {
		t.Helper()
		created, err := e.SetVariable(t.Context(), name, value)
		harness.Equal(t, "error", errorText(err), wantErr)
		return created
	}
	set("MONGO_URI", "x", "write the secret "+secret+": ResourceNotFoundException: Secrets Manager can't find the specified secret.")
	created, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(secret)}) // without a value, as Terraform
	harness.Must(t, created, err)

	for range 2 { // the second one changes nothing
		harness.Must(t, 0, e.CreateSecretValue(t.Context()))
	}
	harness.Equal(t, "value", value(), "{}")
	variables, err := e.Variables(t.Context())
	harness.Must(t, 0, err)
	harness.Equal(t, "missing", e.MissingVariables(variables), []string{"MONGO_URI"})

	harness.Equal(t, "created", set("MONGO_URI", "mongodb://user:a&b@host/db", ""), true)
	harness.Equal(t, "created", set("DB_NAME", "a", ""), true)
	harness.Equal(t, "created", set("DB_NAME", "b", ""), false)
	harness.Must(t, 0, e.CreateSecretValue(t.Context()))
	const want = `{"DB_NAME":"b","MONGO_URI":"mongodb://user:a&b@host/db"}`
	harness.Equal(t, "value", value(), want)
	const generated = ` is generated, in the secret /starttech/staging/%s: set elsewhere, no instance boots; docs/runbook.md, "Secrets", rotates it`
	set("JWT_SECRET_KEY", "x", "JWT_SECRET_KEY"+fmt.Sprintf(generated, "jwt"))
	set("REDIS_PASSWORD", "x", "REDIS_PASSWORD"+fmt.Sprintf(generated, "redis"))
	set("LONG", strings.Repeat("x", 65536), "the value of the secret "+secret+" would have 65602 bytes; allowed: 65536")
	harness.Equal(t, "value", value(), want)

	variables, err = e.Variables(t.Context())
	harness.Must(t, 0, err)
	var listed []string
	for _, v := range variables {
		listed = append(listed, v.Name+" "+v.Store)
		if text := fmt.Sprint(v); strings.Contains(text, "mongodb") || v.Modified.IsZero() {
			t.Errorf("%s has the value, or no time", text)
		}
	}
	harness.Equal(t, "variables", listed, []string{"DB_NAME parameter", "DB_NAME secret", "JWT_SECRET_KEY parameter", "MONGO_URI secret"})
	harness.Equal(t, "missing", e.MissingVariables(variables), []string(nil))
	harness.Equal(t, "duplicates", e.DuplicateVariables(variables), []string{"DB_NAME", "JWT_SECRET_KEY"})

	for _, damaged := range []string{"password", `["password"]`, `{"A": "password", "B": 1}`, `{"A": null}`, "null"} {
		put, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(secret), SecretString: &damaged})
		harness.Must(t, put, err)
		set("A", "x", "the value of the secret "+secret+` is not a JSON object of strings; docs/runbook.md, "Secrets", replaces it`)
		harness.Equal(t, "value", value(), damaged)
	}
}
