package userdata_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/userdata"
)

func TestSettingsAreQuotedForShell(t *testing.T) {
	t.Parallel()

	settings := userdata.Settings{
		Region:           "a b",
		RepositoryURL:    "it's",
		ReleaseParameter: "''",
		ParameterPath:    `$HOME ${HOME} $(echo no) %{x}`,
		LogGroup:         `"back\slash"`,
		Port:             8080,
		HealthCheckPath:  "#&;|*",
		DockerBridge:     "<>",
		Environment:      map[string]string{"Z": "last", "B": "x=y", "A": "it's `first`"},
	}
	header, _, _ := strings.Cut(userdata.Script(settings), "\nset -euo pipefail")
	header += "\nprintf '%s\\n' \"$REGION\" \"$REPOSITORY_URL\" \"$RELEASE_PARAMETER\" \"$PARAMETER_PATH\" \"$LOG_GROUP\"" +
		" \"$PORT\" \"$HEALTH_CHECK_PATH\" \"$DOCKER_BRIDGE\" \"$ENVIRONMENT\""

	output, err := exec.CommandContext(t.Context(), "bash", "-c", header).CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}

	equal(t, "settings", string(output), "a b\nit's\n''\n$HOME ${HOME} $(echo no) %{x}\n\"back\\slash\"\n8080\n#&;|*\n<>\n"+
		"A=it's `first`\nB=x=y\nZ=last\n")
}

func TestScriptReportsMissingSetting(t *testing.T) {
	t.Parallel()

	output, err := exec.CommandContext(t.Context(), "bash", "boot.sh").CombinedOutput()
	if err == nil {
		t.Error("exit status 0")
	}

	contains(t, "output", string(output), "REGION: parameter null or not set")
}

func TestScriptFitsInUserData(t *testing.T) {
	t.Parallel()

	script := userdata.Script(production())
	if !strings.HasPrefix(script, "#!/bin/bash\nREGION='eu-west-1'\n") || strings.Count(script, "#!/bin/bash") != 1 {
		t.Errorf("the script starts with %q", script[:40])
	}

	// User data is limited to 16 KB (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html).
	// The limit is for the script before its base64 encoding. The names and addresses of an environment need some of the rest.
	withAgent := production()
	withAgent.Agent = everyPart
	for _, script := range []string{script, userdata.Script(withAgent)} {
		if size := len(script); size >= 14<<10 {
			t.Errorf("the script has %d bytes, want fewer than %d", size, 14<<10)
		}
	}
}

func TestTemplateRendersToScript(t *testing.T) {
	t.Parallel()

	settings := production()
	settings.RepositoryURL = "${aws_ecr_repository.backend.repository_url}"
	settings.Environment["REDIS_ADDR"] = "${TfToken[TOKEN.12]}:6379"
	template, script := userdata.Template(settings), userdata.Script(settings)

	equal(t, "unescaped template", strings.NewReplacer("$${", "${", "%%{", "%{").Replace(template), script)
	contains(t, "template", template, "REPOSITORY_URL='${aws_ecr_repository.backend.repository_url}'\n")
	contains(t, "template", template, "\nREDIS_ADDR=${TfToken[TOKEN.12]}:6379\n")

	// Terraform must find only the references of the settings, and must unescape only what Template escaped.
	equalLines(t, "references", regexp.MustCompile(`(?:^|[^$])(\$\{[^}]*\})`).FindAllString(template, -1),
		[]string{"'${aws_ecr_repository.backend.repository_url}", "=${TfToken[TOKEN.12]}"})

	if strings.Contains(script, "$${") || strings.Contains(script, "%%{") {
		t.Error("the script contains $${ or %%{, which a template cannot represent")
	}
}
