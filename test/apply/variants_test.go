package apply

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// testVariants applies the variants at the same time: without NAT gateways, in three zones, with a domain, with Spot Instances,
// without protection. The deploy role applies each of them, and then the plan role has nothing to change. One request in twenty is
// throttled, fails, or loses its connection.
func testVariants(t *testing.T, recorded *calls) {
	aws := startAWSWith(t, local.Options{FaultRate: 0.05})
	defer recorded.add(t, aws)
	zone := createHostedZone(t, aws, "example.com")
	out := synthesizeEdited(t, harness.VariantsDir, "own-domain", "Z0123456789ABCDEFGHIJ", zone)
	states := t.TempDir()
	useLocalStates(t, out, states)
	bootstrap := open(t, out, "bootstrap", aws.Env())
	bootstrap.plan(t, "the administrator plans the bootstrap stack")
	bootstrap.apply(t, "the administrator applies the bootstrap stack")
	t.Run("environments", func(t *testing.T) {
		for name, s := range out.Stacks {
			if s.IsBootstrap() {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				main := open(t, out, name, deployer(t, aws, name))
				main.plan(t, "main plans")
				main.apply(t, "main applies")
				open(t, out, name, planner(t, aws)).expectPlan(t, "a pull request has nothing to change", nil)
				switch name {
				case "three-zones":
					testLaterChanges(t, aws, name, states)
					testPlanIsRefused(t, aws, name, states, "aws_subnet.private_c, aws_subnet.public_c"+isProtected,
						"    - {name: eu-west-1c, publicCidr: 10.0.5.0/24, privateCidr: 10.0.6.0/24}\n", "")
				case "open":
					testPlanIsRefused(t, aws, name, states, "cache.transitEncryption: AWS changes off to required in two steps",
						`transitEncryption: "off"`, "transitEncryption: required")
					testTLSOfRedis(t, aws, name, states)
				case "own-domain":
					testOtherRecords(t, aws, name, zone)
					testDomainRemoval(t, aws, main, zone, states)
				}
			})
		}
	})
	faults := introspect[map[string]int](t, aws, "/_local/faults")
	t.Logf("faults of requests: %v", faults)
	for _, kind := range []string{"throttling", "internal", "broken"} {
		if faults[kind] < 20 {
			t.Errorf("%d requests had the fault %s, which is too few for a test", faults[kind], kind)
		}
	}
	if !t.Failed() {
		recorded.completed.Add(1)
	}
}

// testLaterChanges changes every setting of an environment that can be changed in place; the repository is a tag of every
// resource.
func testLaterChanges(t *testing.T, aws *local.AWS, name, states string) {
	t.Helper()
	out := synthesizeEdited(t, "test/apply/testdata/changed", name)
	useLocalStates(t, out, states)
	main := open(t, out, name, deployer(t, aws, name))
	main.plan(t, "main plans the later changes")
	main.apply(t, "main applies the later changes")
	main.expectPlan(t, "the plan after them is empty", nil)
}

// testOtherRecords tries to change records of a zone that are not those of the environment's domain.
func testOtherRecords(t *testing.T, aws *local.AWS, name, zone string) {
	t.Helper()
	record := func(name, kind, value string) string {
		return fmt.Sprintf(`{"Action":"UPSERT","ResourceRecordSet":{"Name":%q,"Type":%q,"TTL":60,"ResourceRecords":[{"Value":%q}]}}`, name, kind, value)
	}
	for _, changes := range []string{
		record("www.example.com", "A", "192.0.2.1"),
		record("app.example.com", "CNAME", "example.org"),
		record("_x.example.com", "CNAME", "example.org"),
		record("_x.app.example.com", "CNAME", "example.org") + "," + record("www.example.com", "A", "192.0.2.1"),
	} {
		output, err := awsCLI(t, deployer(t, aws, name), "route53", "change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", `{"Changes":[`+changes+`]}`)
		if err == nil || !denied.MatchString(output) {
			t.Errorf("%s: not denied: %v: %s", changes, err, output)
		}
	}
}

// testPlanIsRefused plans an environment after texts in its file are replaced. The plan is refused with an error.
func testPlanIsRefused(t *testing.T, aws *local.AWS, name, states, refusal string, replacements ...string) {
	t.Helper()
	out := synthesizeEdited(t, harness.VariantsDir, name, replacements...)
	useLocalStates(t, out, states)
	main := open(t, out, name, deployer(t, aws, name))
	_, _, err := main.NewPlan(t.Context(), main.file, terraform.PlanOptions{})
	if err == nil || !strings.Contains(err.Error(), refusal) {
		t.Errorf("the plan of %q: %v, want %q", replacements, err, refusal)
	}
}

// testTLSOfRedis plans the first step from no TLS to TLS. Redis is not replaced.
func testTLSOfRedis(t *testing.T, aws *local.AWS, name, states string) {
	t.Helper()
	out := synthesizeEdited(t, harness.VariantsDir, name, `transitEncryption: "off"`, "transitEncryption: preferred")
	useLocalStates(t, out, states)
	open(t, out, name, deployer(t, aws, name)).expectPlan(t, "TLS of Redis becomes possible", map[string]string{"aws_elasticache_replication_group.redis": "update"})
}

// testDomainRemoval takes the domain out of the file again. As long as bootstrap is not deployed, the deploy role can remove the records.
// Then it cannot even read them, and an administrator removes them.
func testDomainRemoval(t *testing.T, aws *local.AWS, with session, zone, states string) {
	t.Helper()
	out := synthesizeEdited(t, harness.VariantsDir, with.Name, "domain:\n  name: app.example.com\n  hostedZoneId: Z0123456789ABCDEFGHIJ\n", "")
	useLocalStates(t, out, states)
	main := open(t, out, with.Name, deployer(t, aws, with.Name))
	main.plan(t, "main plans without the domain")
	main.apply(t, "main applies without the domain")
	with.plan(t, "main plans the domain again")
	with.apply(t, "main applies the domain again")

	administrator := open(t, out, "bootstrap", aws.Env())
	administrator.plan(t, "the administrator plans bootstrap without the domain")
	administrator.apply(t, "the administrator applies bootstrap without the domain")
	if _, err := main.Plan(t.Context(), main.file); err == nil || !strings.Contains(err.Error(), "StatusCode: 403") {
		t.Errorf("the deploy role still reads the records of the domain: %v", err)
	}
	administrator = open(t, out, with.Name, aws.Env())
	administrator.plan(t, "the administrator plans without the domain")
	administrator.apply(t, "the administrator applies without the domain")
	main.expectPlan(t, "the plan without the domain is empty", nil)
	if records := mustAWSCLI(t, aws, "route53", "list-resource-record-sets", "--hosted-zone-id", zone,
		"--query", "ResourceRecordSets[?contains(Name, 'app.example.com')].Name", "--output", "text"); records != "" {
		t.Errorf("without the domain, there are the records %s", records)
	}
}

// useLocalStates overrides the S3 backends of stacks, so that they need no bucket
// (https://developer.hashicorp.com/terraform/language/files/override).
func useLocalStates(t *testing.T, out harness.Output, dir string) {
	t.Helper()
	for name := range out.Stacks {
		override := fmt.Sprintf(`{"terraform": {"backend": {"local": {"path": %q}}}}`, filepath.Join(dir, name+".tfstate"))
		harness.Must(t, 0, os.WriteFile(filepath.Join(out.StackDir(name), "backend_override.tf.json"), []byte(override), 0o644))
	}
}

// createHostedZone creates the hosted zone that a domain requires, and returns its ID.
func createHostedZone(t *testing.T, aws *local.AWS, name string) string {
	t.Helper()
	id := mustAWSCLI(t, aws, "route53", "create-hosted-zone", "--name", name, "--caller-reference", "test", "--query", "HostedZone.Id", "--output", "text")
	return strings.TrimPrefix(id, "/hostedzone/")
}
