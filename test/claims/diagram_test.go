package claims

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/diagram"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// picture is the picture of an environment and its account.
func picture(t *testing.T, output harness.Output, name string) *diagram.Picture {
	t.Helper()
	s := output.Stack(t, name)
	account := output.Stack(t, config.BootstrapStackOf(s.Environment().Account, s.AllEnvironments()))
	p, err := diagram.New(s.JSON, account.JSON)
	return harness.Must(t, p, err)
}

func TestDiagramOfTheReadme(t *testing.T) {
	const begin, end = "<!-- make diagram -->\n", "<!-- end of make diagram -->\n"
	readme := harness.ReadFile(t, "README.md")
	before, rest, found := strings.Cut(readme, begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatalf("README.md does not have %q and %q", begin, end)
	}
	architecture, roles := picture(t, harness.Reference(t), "production").Mermaid()
	harness.Golden(t, "README.md", before+begin+"```mermaid\n"+architecture+"```\n\nThe IAM roles, and what each may do:\n\n```mermaid\n"+roles+"```\n"+end+after)
}

// D2 is a tool of tools.mod. Its layout is the same on every machine.
func TestDiagramAsSVG(t *testing.T) {
	t.Parallel()
	const file = "docs/architecture.svg"
	command := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools.mod", "d2", "--elk-nodeNodeBetweenLayers=40", "--elk-edgeNodeBetweenLayers=20",
		"--elk-padding=[top=40,left=30,bottom=30,right=30]", "-", "-")
	command.Dir = harness.Root
	command.Stdin = strings.NewReader(picture(t, harness.Reference(t), "production").D2())
	var messages strings.Builder
	command.Stderr = &messages
	drawn, err := command.Output()
	if err != nil {
		t.Fatalf("d2: %v\n%s", err, messages.String())
	}
	if *harness.Update {
		harness.Golden(t, file, string(drawn))
	} else if string(drawn) != harness.ReadFile(t, file) {
		t.Errorf("%s is not the picture of the production stack; make diagram draws it", file)
	}
}

func TestDiagramHasOptionalPartsOnlyIfTheyArePresent(t *testing.T) {
	base := nodes(picture(t, harness.Reference(t), "production"))
	equalSets(t, "nodes of production", base, []string{
		"viewer", "people", "cloudfront", "frontend", "load_balancer", "instances", "cache", "nat", "atlas", "ecr", "ssm", "cloudwatch", "sns",
	})
	for name, parts := range map[string][]string{
		"tracing":     {"xray"},
		"guardduty":   {"eventbridge"}, // the detector is not the project's
		"budget":      {"budgets"},
		"backup":      {"backup", "state"},
		"firewall":    {"waf"},
		"shield":      {"shield"},
		"schedule":    {"schedule"},
		"secrets":     {"secrets", "lambda", "eventbridge"},
		"domain":      {"route53"},
		"peering":     {"peering"},
		"database":    {"endpoint"},
		"metrics":     {},
		"access-logs": {},
		"everything":  {"xray", "guardduty", "eventbridge", "budgets", "backup", "state", "waf", "shield", "schedule", "secrets", "lambda", "route53", "peering", "endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			equalSets(t, "nodes", nodes(picture(t, harness.Components(t), name)), slices.Concat(base, parts))
		})
	}
}

func nodes(p *diagram.Picture) []string {
	var ids []string
	for _, n := range p.Nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

// A role's row names the service, so that a service that is not shown is a permission that nobody sees.
func TestDiagramShowsEveryServiceThatARoleMayUse(t *testing.T) {
	names := map[string]string{
		"ecr": "ECR repository", "ssm": "SSM parameters", "ssmmessages": "Session Manager", "s3": "S3 bucket", "cloudfront": "CloudFront distribution",
		"autoscaling": "Auto Scaling group", "logs": "CloudWatch Logs", "cloudwatch": "CloudWatch metrics", "xray": "X-Ray",
		"secretsmanager": "Secrets Manager", "elasticache": "ElastiCache",
	}
	for _, each := range []struct {
		output      harness.Output
		environment string
		roles       []string
	}{
		{harness.Reference(t), "production", []string{"instance_role", "release_role"}},
		{harness.Components(t), "everything", []string{"instance_role", "release_role", "rotation_role"}},
	} {
		s, p := each.output.Stack(t, each.environment), picture(t, each.output, each.environment)
		for _, id := range each.roles {
			i := slices.IndexFunc(p.Roles, func(r diagram.Role) bool { return r.ID == id })
			if i < 0 {
				t.Errorf("%s has no role %s", each.environment, id)
				continue
			}
			var want, got []string
			for _, grant := range s.Grants(t, "aws_iam_role."+id) {
				service, _, _ := strings.Cut(grant, ":")
				want = append(want, names[service])
			}
			for _, row := range p.Roles[i].Grants {
				got = append(got, row[0])
			}
			slices.Sort(want)
			equalSets(t, each.environment+", "+id, got, slices.Compact(want))
		}
	}
}

func TestDiagramShowsWhatThePipelinesMayDo(t *testing.T) {
	p := picture(t, harness.Reference(t), "production")
	for _, want := range []diagram.Role{
		{
			ID: "plan_role", Name: "starttech-plan",
			AssumedBy: [][2]string{{"assumed by", "GitHub Actions"}, {"repository", "starttech/infrastructure"}, {"jobs", "branch main, pull requests"}},
			Grants:    [][2]string{{"Terraform state", "read"}, {"Terraform lock", "read"}, {"the project's resources", "read"}},
		},
		{
			ID: "deploy_role", Name: "starttech-deploy",
			AssumedBy: [][2]string{
				{"assumed by", "GitHub Actions"},
				{"repository", "starttech/infrastructure"},
				{"jobs", "branch main"},
				{"environments", "production, staging"},
			},
			Grants: [][2]string{
				{"Terraform state", "read, write"},
				{"Terraform lock", "read, write, delete"},
				{"the project's resources", "read, create, write, delete"},
			},
		},
	} {
		i := slices.IndexFunc(p.Roles, func(r diagram.Role) bool { return r.ID == want.ID })
		if i < 0 {
			t.Fatalf("there is no %s", want.ID)
		}
		equal(t, want.ID, p.Roles[i], want)
	}
}
