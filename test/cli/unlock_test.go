package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/internal/statelock"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// A checkout whose production has its state in S3, on a local AWS.
func newLockedCheckout(t *testing.T) (c checkout, aws func(arguments ...string) string) {
	t.Helper()
	emulator, err := local.Start(t.Context(), local.Options{Root: harness.Root, Dir: t.TempDir(), Account: "123456789012", Region: "eu-west-1"})
	check(t, err)
	t.Cleanup(func() { check(t, emulator.Stop()) })
	c = newCheckout(t)
	maps.Copy(c.env, emulator.Env())
	maps.DeleteFunc(c.env, func(_, value string) bool { return value == "" }) // these are not set
	aws = func(arguments ...string) string {
		command := exec.CommandContext(t.Context(), filepath.Join(harness.Root, ".venv", "bin", "aws"), arguments...)
		c.in(command)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("aws %v: %v\n%s", arguments, err, out)
		}
		return string(out)
	}
	aws("s3api", "create-bucket", "--bucket", "states", "--create-bucket-configuration", "LocationConstraint=eu-west-1")
	aws("s3api", "put-bucket-versioning", "--bucket", "states", "--versioning-configuration", "Status=Enabled")
	aws("dynamodb", "create-table", "--table-name", "locks", "--billing-mode", "PAY_PER_REQUEST",
		"--attribute-definitions", "AttributeName=LockID,AttributeType=S", "--key-schema", "AttributeName=LockID,KeyType=HASH")
	c.write(t, productionDir+"cdk.tf.json", `{"terraform": {"backend": {"s3": {
		"bucket": "states", "key": "production/terraform.tfstate", "region": "eu-west-1", "dynamodb_table": "locks"
	}}}, "resource": {"terraform_data": {"thing": {"input": "a"}}}}`)
	c.recordSynthesis(t)
	_, status := c.runAtTerminal(t, 80, "deploy --env production", "yes\n")
	equal(t, "status of the deploy", status, 0)
	return c, aws
}

func TestUnlockRemovesLockAndMendsMD5(t *testing.T) {
	t.Parallel()
	c, aws := newLockedCheckout(t)
	put := func(item map[string]string) {
		attributes := map[string]any{}
		for name, value := range item {
			attributes[name] = map[string]string{"S": value}
		}
		content, err := json.Marshal(attributes)
		aws("dynamodb", "put-item", "--table-name", "locks", "--item", string(harness.Must(t, content, err)))
	}
	lock := func(id string) {
		info, err := json.Marshal(map[string]any{
			"ID": id, "Operation": "OperationTypeApply", "Who": "ann@laptop", "Version": "1.11.4",
			"Created": time.Now().Add(-135 * time.Minute), "Path": "states/production/terraform.tfstate",
		})
		put(map[string]string{"LockID": "states/production/terraform.tfstate", "Info": string(harness.Must(t, info, err))})
	}

	screen, status := c.runAtTerminal(t, 80, "unlock --env production", "yes\n")
	equal(t, "status if nothing is locked", status, 0)
	has(t, "screen", screen, "production: the state is not locked, and its MD5 is right: there is nothing to mend\n")

	lock("11111111-2222-3333-4444-555555555555")
	wantLocked := func() {
		t.Helper()
		screen, status := c.runAtTerminal(t, 80, "deploy --env production", "")
		equal(t, "status of a deploy", status, 1)
		has(t, "screen", screen, "ann@laptop runs OperationTypeApply since ", " UTC (2h1", "m ago), lock 11111111-2222-3333-4444-555555555555; wait until it ends; if that process is dead: "+
			`make unlock ENV=production (docs/runbook.md, "The state is locked")`)
	}
	wantLocked()
	c.mustRun(t, "plan --env production", "No changes") // it does not lock
	c.mustFail(t, "unlock --env production", "unlock asks for approval, but standard input is not a terminal")
	c.env["CI"] = "true"
	c.mustFail(t, "unlock --env production", "unlock asks a person at a terminal; it does not run in a pipeline (CI is set)")
	c.env["CI"] = ""
	screen, status = c.runAtTerminal(t, 80, "unlock --env production", "no\n")
	equal(t, "status after no", status, 1)
	has(t, "screen", screen, "production is locked: OperationTypeApply by ann@laptop since ", ", 2h1", "m0s ago (lock 11111111-2222-3333-4444-555555555555).\n", notApproved)
	wantLocked()

	// Killed while it wrote the state: the lock is left, and the MD5 is that of another version.
	digest := func(value string) {
		put(map[string]string{"LockID": "states/production/terraform.tfstate-md5", "Digest": value})
	}
	digest("00000000000000000000000000000000")
	screen, status = c.runAtTerminal(t, 80, "unlock --env production", "yes\n")
	equal(t, "status after yes", status, 0)
	has(t, "screen", screen, `The lock table has the MD5 "00000000000000000000000000000000". That of the newest state, with serial `,
		"Mend that in account 123456789012 (eu-west-1) at http://127.0.0.1:", ", not on AWS?", "production is unlocked. Next: make plan ENV=production\n")
	c.mustRun(t, "plan --env production", "No changes")

	digest("00000000000000000000000000000000")
	c.mustFail(t, "plan --env production", "the state is not the one whose MD5 is in the lock table, because a Terraform was killed or is writing it: "+
		`try again in a minute; if that does not help: make unlock ENV=production (docs/runbook.md, "The state is locked")`)
	_, status = c.runAtTerminal(t, 80, "unlock --env production", "yes\n")
	equal(t, "status after yes", status, 0)
	c.mustRun(t, "plan --env production", "No changes")

	aws("s3api", "delete-object", "--bucket", "states", "--key", "production/terraform.tfstate")
	screen, status = c.runAtTerminal(t, 80, "unlock --env production", "")
	equal(t, "status without a state", status, 1)
	has(t, "screen", screen, "s3://states/production/terraform.tfstate does not exist, but it did: restore its newest version (docs/runbook.md)\n")
}

// An approved unlock removes the lock that was shown, and no other.
func TestUnlockLeavesAnotherLock(t *testing.T) {
	c, aws := newLockedCheckout(t)
	for name, value := range c.env {
		if strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
	put := func(id string) {
		aws("dynamodb", "put-item", "--table-name", "locks", "--item",
			fmt.Sprintf(`{"LockID": {"S": "states/production/terraform.tfstate"}, "Info": {"S": "{\"ID\": \"%s\"}"}}`, id))
	}
	put("first")
	table, err := statelock.Open(t.Context(), statelock.Backend{Bucket: "states", Key: "production/terraform.tfstate", Region: "eu-west-1", Table: "locks"})
	check(t, err)
	shown, err := table.Read(t.Context())
	check(t, err)
	put("second")
	wantError(t, table.Mend(t.Context(), shown), "the lock or the state has changed in the meantime: another Terraform runs, or has ended")
	now, err := table.Read(t.Context())
	check(t, err)
	equal(t, "lock", now.Lock.ID, "second")
}
