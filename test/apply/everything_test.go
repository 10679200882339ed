package apply

import (
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// removals is a flag, because each plan of everything takes a processor for half a minute.
var removals = flag.Bool("removals", false, "also plan the removal of each component, remove all of them, and destroy the environment; about twenty minutes")

// testEverything is the life of an environment with every optional component: the deploy role applies it, and the second plan is empty. With
// -removals, the components are removed one by one in plans and all at once in an apply, and the environment is destroyed.
func testEverything(t *testing.T, recorded *calls) {
	aws := startAWS(t)
	defer recorded.add(t, aws)
	states, peering, other := t.TempDir(), requestPeering(t, aws), requestPeering(t, aws)
	everything := func(t *testing.T) object {
		file := everythingFile(t)
		set(file, "database.peering.connectionId", peering)
		return file
	}
	synthesize := func(t *testing.T, file object) harness.Output {
		t.Helper()
		content, err := yaml.Marshal(file)
		out, err := harness.Synthesize(harness.WriteFiles(t, map[string]string{"environments/everything.yaml": string(harness.Must(t, content, err))}))
		harness.Must(t, out, err)
		useLocalStates(t, out, states)
		return out
	}
	bare := everything(t)
	for component := range config.Removals() {
		set(bare, component, absent)
	}
	applyAs := func(t *testing.T, file object, name string, credentials map[string]string, step string) session {
		t.Helper()
		stack := open(t, synthesize(t, file), name, credentials)
		stack.plan(t, "plan: "+step)
		stack.apply(t, step)
		return stack
	}
	applyAs(t, bare, "bootstrap", aws.Env(), "the administrator applies the account without components")
	before := introspect[[]string](t, aws, "/_local/resources")
	applyAs(t, everything(t), "bootstrap", aws.Env(), "the administrator applies the account with every component")
	applyAs(t, everything(t), "everything", deployer(t, aws, "everything"), "main applies everything")
	out := synthesize(t, everything(t))
	for _, name := range []string{"bootstrap", "everything"} {
		t.Run("second plan of "+name, func(t *testing.T) {
			open(t, out, name, planner(t, aws)).expectPlan(t, "a pull request has nothing to change in "+name, nil)
		})
	}

	t.Run("peering", func(t *testing.T) {
		output, err := awsCLI(t, deployer(t, aws, "everything"), "ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", other)
		if err == nil || !denied.MatchString(output) {
			t.Errorf("main accepts a peering connection that is in no file: %v: %s", err, output)
		}
	})
	t.Run("locks", func(t *testing.T) {
		without, err := harness.Synthesize(harness.WriteFiles(t, map[string]string{"environments/everything.yaml": harness.ReadFile(t, harness.EverythingDir+"/everything.yaml")}))
		testLocks(t, aws, harness.Must(t, without, err).Stack(t, "everything"))
	})

	t.Run("copies of backups", func(t *testing.T) {
		account := func(keysAndValues ...any) harness.Output {
			file := everythingFile(t)
			for pair := range slices.Chunk(keysAndValues, 2) {
				set(file, pair[0].(string), pair[1])
			}
			return synthesize(t, file)
		}
		apply := func(step string, keysAndValues ...any) {
			stack := open(t, account(keysAndValues...), "bootstrap", aws.Env())
			stack.plan(t, "plan: "+step)
			stack.apply(t, step)
		}
		refused := func(want string, out harness.Output) {
			stack := open(t, out, "bootstrap", planner(t, aws))
			if _, _, err := stack.NewPlan(t.Context(), stack.file, terraform.PlanOptions{}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the plan: %v, want %q", err, want)
			}
		}
		apply("the administrator adds copies", "backup.copyToRegion", "eu-central-1")
		open(t, account("backup.copyToRegion", "eu-central-1"), "bootstrap", planner(t, aws)).expectPlan(t, "a pull request has nothing to change in the copies", nil)
		refused("backup.copyToRegion: the vault of the copies", account("backup", absent))
		refused("backup.copyToRegion: the vault of the copies", account("backup.copyToRegion", "eu-west-3"))
		apply("the administrator ends the copies", "backup.copyToRegion", "eu-central-1", "backup.copyRetentionDays", 0)
		open(t, account(), "bootstrap", planner(t, aws)).expectPlan(t, "a pull request removes the region of the copies", map[string]string{"aws_iam_policy.bootstrap_read_policy": "update"})
	})

	if !*removals {
		if !t.Failed() {
			recorded.completed.Add(1)
		}
		return
	}
	t.Run("removals", func(t *testing.T) {
		for component := range config.Removals() {
			t.Run(component, func(t *testing.T) {
				t.Parallel()
				file := everything(t)
				for _, each := range append(needed[component], component) {
					set(file, each, absent)
				}
				out := synthesize(t, file)
				credentials := planner(t, aws)
				credentials["TF_CLI_ARGS_plan"] = "-refresh=false" // the second plans have just compared everything with AWS
				stack := open(t, out, "everything", credentials)
				stack.plan(t, "a pull request removes it from the environment")
				account := open(t, out, "bootstrap", credentials)
				account.plan(t, "a pull request removes it from the account")
				checkRemoval(t, component, stack, account)
			})
		}
	})

	main := applyAs(t, bare, "everything", deployer(t, aws, "everything"), "main removes every component")
	main.expectPlan(t, "the plan without components is empty", nil)
	applyAs(t, bare, "bootstrap", aws.Env(), "the administrator removes the components of the account")
	open(t, synthesize(t, bare), "everything", planner(t, aws)).expectPlan(t, "the roles need nothing of the components", nil)
	runStep(t, "main plans to destroy the environment", func() error {
		_, err := main.PlanDestroy(t.Context(), main.file)
		return err
	})
	main.apply(t, "main destroys the environment")
	harness.Equal(t, "resources after the life of everything", introspect[[]string](t, aws, "/_local/resources"), before)
}

// testLocks applies a small stack with the deploy role and with the backend of a stack, whose state is elsewhere in these tests. The role may take
// the locks in S3 and in the lock table, and none of bootstrap.
func testLocks(t *testing.T, aws *local.AWS, s harness.Stack) {
	backend, _ := harness.Resource(s.Body).Get("terraform", "backend", "s3").(object)
	content, err := json.Marshal(object{
		"terraform": object{"backend": object{"s3": backend}},
		"resource":  object{"terraform_data": object{"thing": object{"input": "a"}}},
	})
	dir := harness.WriteFiles(t, map[string]string{"everything/cdk.tf.json": string(harness.Must(t, content, err))})
	credentials := deployer(t, aws, s.Name)
	stack, err := terraform.Open(filepath.Join(dir, "everything"), terraformOptions(t, credentials))
	harness.Must(t, stack, err)
	file := filepath.Join(t.TempDir(), "plan")
	_, changes, err := stack.NewPlan(t.Context(), file, terraform.PlanOptions{Lock: true})
	harness.Must(t, changes, err)
	harness.Must(t, 0, stack.Apply(t.Context(), file))

	bucket, key := fmt.Sprint(backend["bucket"]), fmt.Sprint(backend["key"])
	harness.Equal(t, "locks that were removed from S3", mustAWSCLI(t, aws, "s3api", "list-object-versions", "--bucket", bucket, "--prefix", key+".tflock",
		"--query", "length(DeleteMarkers)"), "2")
	harness.Equal(t, "items of the lock table", mustAWSCLI(t, aws, "dynamodb", "scan", "--table-name", fmt.Sprint(backend["dynamodb_table"]),
		"--query", "Items[].LockID.S", "--output", "text"), bucket+"/"+key+"-md5")
	if output, err := awsCLI(t, credentials, "s3api", "put-object", "--bucket", bucket, "--key", "bootstrap/terraform.tfstate.tflock"); err == nil || !denied.MatchString(output) {
		t.Errorf("main locks bootstrap: %v: %s", err, output)
	}
	mustAWSCLI(t, aws, "s3api", "delete-object", "--bucket", bucket, "--key", key)
}

// needed are the components that are not possible without another one.
var needed = map[string][]string{"secrets": {"cache.auth"}}

// checkRemoval requires that the plans without a component do what config says of its removal.
func checkRemoval(t *testing.T, component string, stacks ...session) {
	t.Helper()
	changes, rolls := 0, false
	for _, stack := range stacks {
		for _, resource := range stack.show(t).ResourceChanges {
			actions := resource.Change.Actions
			if actions.NoOp() || actions.Read() {
				continue
			}
			changes++
			rolls = rolls || resource.Address == "aws_launch_template.backend_launch_template"
			if actions.Replace() && !strings.Contains(config.Removals()[component], resource.Address) {
				t.Errorf("%s is replaced, which config does not say", resource.Address)
			}
		}
	}
	if changes == 0 {
		t.Error("the plans change nothing")
	}
	if says := strings.HasPrefix(config.Removals()[component], config.Rolls) || strings.Contains(config.Removals()[component], "instances are replaced"); rolls != says {
		t.Errorf("config says %q; the plan replaces the instances: %t", config.Removals()[component], rolls)
	}
}

// requestPeering creates a request of MongoDB Atlas, and returns its ID. On the local AWS it comes from the account itself, and to a VPC that does
// not exist.
func requestPeering(t *testing.T, aws *local.AWS) string {
	t.Helper()
	return mustAWSCLI(t, aws, "ec2", "create-vpc-peering-connection", "--vpc-id", "vpc-0123456789abcdef0", "--peer-vpc-id", "vpc-0fedcba9876543210",
		"--query", "VpcPeeringConnection.VpcPeeringConnectionId", "--output", "text")
}

// everythingFile is the environment file with every component.
func everythingFile(t *testing.T) object {
	t.Helper()
	var file object
	harness.Must(t, 0, yaml.Unmarshal([]byte(harness.ReadFile(t, harness.EverythingDir+"/everything.yaml")), &file))
	return file
}
