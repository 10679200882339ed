package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// change is another value of a key of production's file.
type change struct {
	key     string // as of config.Changes
	class   string // of this value, if it differs from the key's
	path    string // of what is set: the key, or the list or block that contains it; empty: the key
	value   any
	refusal string // the error of a refused change
}

type object = map[string]any

var zoneA = object{"name": "eu-west-1a", "publicCidr": "10.0.1.0/24", "privateCidr": "10.0.3.0/24"}

// zones is the list of zones with another second one.
func zones(name, public, private string) []any {
	return []any{zoneA, object{"name": name, "publicCidr": public, "privateCidr": private}}
}

const isProtected = " is protected: to destroy it, set deletionProtection: false in the environment's file and deploy that first"

// changes are a change of every key. The value differs from production's.
var changes = []change{
	{key: "account", value: "210987654321", refusal: "the state bucket starttech-terraform-state-210987654321 does not exist"},
	{key: "region", value: "eu-west-2", refusal: "requested bucket from \"eu-west-2\", actual location \"eu-west-1\""},
	{key: "repository", value: "starttech/platform"},
	{key: "repositoryId", value: 1234},
	{key: "applicationRepository", value: "starttech/shop"},
	{key: "applicationRepositoryId", value: 5678},
	{key: "oidcProvider", value: "existing"},
	{key: "deletionProtection", value: false},

	{key: "domain.name", path: "domain"}, // the value is newDomain
	{key: "domain.hostedZoneId", path: "domain"},

	{key: "network.cidr", path: "network", value: object{
		"cidr": "10.7.0.0/16", "availabilityZones": []any{
			object{"name": "eu-west-1a", "publicCidr": "10.7.1.0/24", "privateCidr": "10.7.3.0/24"},
			object{"name": "eu-west-1b", "publicCidr": "10.7.2.0/24", "privateCidr": "10.7.4.0/24"},
		},
	}, refusal: "aws_vpc.network" + isProtected},
	{key: "network.availabilityZones", value: append(zones("eu-west-1b", "10.0.2.0/24", "10.0.4.0/24"),
		object{"name": "eu-west-1c", "publicCidr": "10.0.5.0/24", "privateCidr": "10.0.6.0/24"})},
	{
		key: "network.availabilityZones[].name", path: "network.availabilityZones", value: zones("eu-west-1c", "10.0.5.0/24", "10.0.6.0/24"),
		refusal: "aws_subnet.private_b, aws_subnet.public_b" + isProtected,
	},
	{
		key: "network.availabilityZones[].publicCidr", path: "network.availabilityZones", value: zones("eu-west-1b", "10.0.12.0/24", "10.0.4.0/24"),
		refusal: "aws_subnet.public_b" + isProtected,
	},
	{
		key: "network.availabilityZones[].privateCidr", path: "network.availabilityZones", value: zones("eu-west-1b", "10.0.2.0/24", "10.0.14.0/24"),
		refusal: "aws_subnet.private_b" + isProtected,
	},
	{key: "network.natGateways", value: "per-az"},
	{key: "network.interfaceEndpoints", value: true},
	{key: "network.flowLogs", value: false, class: config.Refused, refusal: "aws_cloudwatch_log_group.flow_logs_group" + isProtected},
	{key: "network.sshCidrs", value: []any{"10.0.0.0/8"}},

	{key: "loadBalancer.healthCheckPath", value: "/health"},
	{key: "loadBalancer.healthCheckIntervalSeconds", value: 15},
	{key: "loadBalancer.deregistrationDelaySeconds", value: 30},

	{key: "backend.amazonLinux", value: "al2023"},
	{key: "backend.imageId", value: "ami-0123456789abcdef0"},
	{key: "backend.containerCredentials", value: true},
	{key: "backend.cpuCredits", value: "standard"},
	{key: "backend.instanceType", value: "t3.small"},
	{key: "backend.minSize", value: 1},
	{key: "backend.maxSize", value: 6},
	{key: "backend.desiredCapacity", value: 3},
	{key: "backend.targetCpuPercent", value: 50},
	{key: "backend.spotPercent", value: 50},
	{key: "backend.rootVolumeGiB", value: 16},
	{key: "backend.warmupSeconds", value: 200},
	{key: "backend.sessionManager", value: false},

	{key: "registry.keepImages", value: 20},
	{key: "registry.untaggedDays", value: 3},

	{key: "cache.nodeType", value: "cache.t3.small"},
	{key: "cache.engineVersion", value: "7.0", class: config.Refused, refusal: "aws_elasticache_replication_group.redis" + isProtected},
	{key: "cache.replicas", value: 2},
	{key: "cache.snapshotRetentionDays", value: 3},
	{key: "cache.transitEncryption", value: "required"},
	{key: "cache.maintenanceWindow", value: "mon:03:00-mon:04:00"},
	{key: "cache.snapshotWindow", value: "05:00-06:00"},

	{key: "frontend.apiPaths", value: []any{"/auth/*", "/health"}},
	{key: "frontend.oldVersionRetentionDays", value: 30},
	{key: "frontend.originAccess", value: "oac"},
	{key: "frontend.priceClass", value: "PriceClass_All"},

	{key: "monitoring.logRetentionDays", value: 60},
	{key: "monitoring.alarmEmails", value: []any{"ops@example.com"}},
}

// classOf is the class of a change: its own, or that of the key's tag.
func classOf(c change) string {
	if c.class != "" {
		return c.class
	}
	class, _, _ := strings.Cut(config.Changes()[c.key], ": ")
	return class
}

func newDomain(name, zone string) object { return object{"name": name, "hostedZoneId": zone} }

// testChanges plans a change of every key of production, which is deployed. Changes that are not refused are planned together with the
// others of their class. Which resources a key changes is read from the synthesized stacks. zone is the ID of the hosted zone of
// example.com.
func testChanges(t *testing.T, aws *local.AWS, zone string) {
	var keys []string
	for _, c := range changes {
		keys = append(keys, c.key)
	}
	harness.EqualSets(t, "keys with a change", keys, slices.Collect(maps.Keys(config.Changes())))

	otherZone := change{path: "domain", value: newDomain("app.example.org", zone)}
	_, err := planChanges(t, aws.Env(), otherZone)
	if want := "app.example.org is not in the hosted zone " + zone + ", which is of example.com"; err == nil || !strings.Contains(strings.Join(strings.Fields(fmt.Sprint(err)), " "), want) {
		t.Errorf("the plan with a domain of another zone: %v, want %q", err, want)
	}

	together := map[string][]change{}
	for _, c := range changes {
		if c.path == "domain" {
			c.value = newDomain("app.example.com", zone)
		}
		class := classOf(c)
		if class != config.Refused {
			together[class] = append(together[class], c)
			continue
		}
		credentials := planner(t, aws)
		if c.key == "account" {
			credentials = aws.Env() // the role may not even ask for the bucket
		}
		_, err := planChanges(t, credentials, c)
		var refused *terraform.Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s: the plan is refused with %v, want %q", c.key, err, c.refusal)
		}
	}
	changed := changedAddresses(t, slices.Concat(slices.Collect(maps.Values(together))...))
	for class, all := range together {
		credentials := planner(t, aws)
		if class == config.Interrupts { // the role may read a hosted zone after a deploy of bootstrap
			credentials = aws.Env()
		}
		plan, err := planChanges(t, credentials, all...)
		if err != nil {
			t.Errorf("%s: %v", class, err)
			continue
		}
		isPlanned := map[string]bool{}
		for _, resource := range plan.ResourceChanges {
			if resource.Change.Actions.Replace() && !replaceable[resource.Address] {
				t.Errorf("%s: %s is replaced", class, resource.Address)
			}
			isPlanned[resource.Address] = !resource.Change.Actions.NoOp()
		}
		for _, c := range all {
			rolls := slices.ContainsFunc(changed[c.key], func(address string) bool {
				return address == "aws_launch_template.backend_launch_template" || address == "local.boot_script" || address == "data.aws_ssm_parameter.amazon_linux"
			})
			if c.key == "backend.spotPercent" { // the group gets its launch template in another way
				rolls = slices.Contains(changed[c.key], "aws_autoscaling_group.backend")
			}
			if class == config.Rolls && !rolls || class == config.Free && rolls {
				t.Errorf("%s is %s, but changes %q", c.key, class, changed[c.key])
			}
			for _, address := range changed[c.key] {
				isManaged := strings.HasPrefix(address, "aws_")
				if isManaged && !isPlanned[address] && !withoutPlan[c.key] {
					t.Errorf("%s: the plan does not change %s", c.key, address)
				}
			}
		}
	}
}

// withoutPlan are the keys that change the configuration, but nothing on AWS.
var withoutPlan = map[string]bool{
	"backend.desiredCapacity": true, // the group ignores it
	"deletionProtection":      true, // most of it is Terraform's own
}

// replaceable are resources that hold nothing. ECR has one lifecycle policy for a repository, and the provider cannot change it in place
// (https://registry.terraform.io/providers/hashicorp/aws/5.100.0/docs/resources/ecr_lifecycle_policy).
var replaceable = map[string]bool{"aws_ecr_lifecycle_policy.backend_images_lifecycle": true}

// changedAddresses returns the resources and local values of production that each change changes, by key.
func changedAddresses(t *testing.T, all []change) map[string][]string {
	t.Helper()
	// One synthesis for all: each change is an environment of its own, whose name is then replaced by production. The environments of an
	// account share some keys, so a change of those has a synthesis of its own.
	files := map[string]string{"environments/production.yaml": changedFile(t)}
	stacks := map[string]harness.Stack{} // by key
	names := map[string]string{}         // of the stacks in one synthesis, by key
	for i, c := range all {
		if slices.Contains([]string{"repository", "repositoryId", "oidcProvider"}, c.key) {
			stacks[c.key] = synthesizeChanged(t, c).Stack(t, "production")
			continue
		}
		names[c.key] = fmt.Sprintf("change%d", i)
		if c.path == "domain" { // each environment has a domain of its own
			c.value = newDomain(names[c.key]+".example.com", "Z0123456789ABCDEFGHIJ")
		}
		files["environments/"+names[c.key]+".yaml"] = changedFile(t, c)
	}
	out, err := harness.Synthesize(harness.WriteFiles(t, files))
	harness.Must(t, out, err)
	for key, name := range names {
		stacks[key] = out.Stack(t, name)
	}
	base, changed := resourcesOf(t, out.Stack(t, "production")), map[string][]string{}
	for key, stack := range stacks {
		changed[key] = differences(base, resourcesOf(t, stack))
	}
	return changed
}

// resourcesOf returns the resources and local values of a stack as JSON, by address, with production as the environment's name.
func resourcesOf(t *testing.T, stack harness.Stack) map[string]string {
	t.Helper()
	name := regexp.MustCompile(`\b` + stack.Name + `\b`)
	found := map[string]string{}
	add := func(address string, value any) {
		content, err := json.Marshal(value)
		found[address] = name.ReplaceAllString(string(harness.Must(t, content, err)), "production")
	}
	for address, resource := range stack.Resources() {
		delete(resource, "//") // comments for the linters
		add(address, resource)
	}
	locals, _ := stack.Body["locals"].(object)
	for name, value := range locals {
		add("local."+name, value)
	}
	return found
}

// differences returns the keys under which two maps differ.
func differences(a, b map[string]string) (keys []string) {
	for key := range a {
		if a[key] != b[key] {
			keys = append(keys, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// planChanges plans production with changes.
func planChanges(t *testing.T, credentials map[string]string, changes ...change) (*tfjson.Plan, error) {
	t.Helper()
	stack, err := terraform.Open(synthesizeChanged(t, changes...).StackDir("production"), terraformOptions(t, credentials))
	harness.Must(t, stack, err)
	plan, _, err := stack.NewPlan(t.Context(), filepath.Join(t.TempDir(), "plan"), terraform.PlanOptions{})
	return plan, err
}

// synthesizeChanged synthesizes production with changes.
func synthesizeChanged(t *testing.T, changes ...change) harness.Output {
	t.Helper()
	out, err := harness.Synthesize(harness.WriteFiles(t, map[string]string{"environments/production.yaml": changedFile(t, changes...)}))
	return harness.Must(t, out, err)
}

// changedFile returns production's file with changes.
func changedFile(t *testing.T, changes ...change) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(harness.Root, harness.ReferenceDir, "production.yaml"))
	var file object
	harness.Must(t, 0, yaml.Unmarshal(harness.Must(t, content, err), &file))
	for _, c := range changes {
		path := c.path
		if path == "" {
			path = c.key
		}
		set(file, path, c.value)
		if c.key == "region" {
			set(file, "network.availabilityZones", []any{
				object{"name": "eu-west-2a", "publicCidr": "10.0.1.0/24", "privateCidr": "10.0.3.0/24"},
				object{"name": "eu-west-2b", "publicCidr": "10.0.2.0/24", "privateCidr": "10.0.4.0/24"},
			})
		}
	}
	content, err = yaml.Marshal(file)
	return string(harness.Must(t, content, err))
}

// set sets the value at a path of keys.
func set(file object, path string, value any) {
	key, rest, isNested := strings.Cut(path, ".")
	if !isNested {
		file[key] = value
		return
	}
	block, ok := file[key].(object)
	if !ok {
		block = object{}
		file[key] = block
	}
	set(block, rest, value)
}
