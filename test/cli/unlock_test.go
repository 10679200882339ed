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

// newStateCheckout is a checkout whose production has its state in S3, on a local AWS. locks is a part of backendWith.
func newStateCheckout(t *testing.T, locks string) (c checkout, aws func(arguments ...string) string) {
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
	c.deployInput(t, locks, "a")
	return c, aws
}

const inTable, inBoth, inS3 = `"dynamodb_table": "locks"`, `"dynamodb_table": "locks", "use_lockfile": true`, `"use_lockfile": true`

// deployInput deploys a stack with one resource, and with its state in a backend with the given locks.
func (c checkout) deployInput(t *testing.T, locks, input string) {
	t.Helper()
	c.useBackend(t, locks, input)
	screen, status := c.runAtTerminal(t, 80, "deploy --env production", "yes\n")
	equal(t, "status of the deploy", status, 0)
	if status != 0 {
		t.Log(screen)
	}
}

// useBackend writes that stack.
func (c checkout) useBackend(t *testing.T, locks, input string) {
	t.Helper()
	c.write(t, productionDir+"cdk.tf.json", fmt.Sprintf(`{"//": {"metadata": {"backend": "s3", "stackName": "production", "version": "0.21.0"}}, "terraform": {"backend": {"s3": {
		"bucket": "states", "key": "production/terraform.tfstate", "region": "eu-west-1", %s
	}}}, "resource": {"terraform_data": {"thing": {"input": %q}}}}`, locks, input))
	c.recordSynthesis(t)
}

// lockInfo is what Terraform writes of a lock.
func lockInfo(t *testing.T, id string) string {
	t.Helper()
	info, err := json.Marshal(map[string]any{
		"ID": id, "Operation": "OperationTypeApply", "Who": "ann@laptop", "Version": "1.11.4",
		"Created": time.Now().Add(-135 * time.Minute), "Path": "states/production/terraform.tfstate",
	})
	return string(harness.Must(t, info, err))
}

// putItem writes an item with string attributes into the lock table.
func putItem(t *testing.T, aws func(arguments ...string) string, item map[string]string) {
	t.Helper()
	attributes := map[string]any{}
	for name, value := range item {
		attributes[name] = map[string]string{"S": value}
	}
	content, err := json.Marshal(attributes)
	aws("dynamodb", "put-item", "--table-name", "locks", "--item", string(harness.Must(t, content, err)))
}

// putLockFile writes a lock beside the state.
func (c checkout) putLockFile(t *testing.T, aws func(arguments ...string) string, info string) {
	t.Helper()
	c.write(t, ".local/lock.json", info)
	aws("s3api", "put-object", "--bucket", "states", "--key", "production/terraform.tfstate.tflock", "--body", ".local/lock.json")
}

func TestUnlockRemovesLockAndMendsMD5(t *testing.T) {
	t.Parallel()
	c, aws := newStateCheckout(t, inTable)
	put := func(item map[string]string) { putItem(t, aws, item) }
	lock := func(id string) {
		put(map[string]string{"LockID": "states/production/terraform.tfstate", "Info": lockInfo(t, id)})
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
	has(t, "screen", screen, "production is locked: OperationTypeApply by ann@laptop since ", ", 2h1", "m0s ago (lock 11111111-2222-3333-4444-555555555555 in the lock table locks).\n", notApproved)
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
	c.mustFail(t, "plan --env production", "the state is not the one whose MD5 is in the lock table, because a Terraform was killed or is writing it, or state.lock was s3: "+
		`try again in a minute; if that does not help: make unlock ENV=production (docs/runbook.md, "The state is locked")`)
	_, status = c.runAtTerminal(t, 80, "unlock --env production", "yes\n")
	equal(t, "status after yes", status, 0)
	c.mustRun(t, "plan --env production", "No changes")

	aws("s3api", "delete-object", "--bucket", "states", "--key", "production/terraform.tfstate")
	screen, status = c.runAtTerminal(t, 80, "unlock --env production", "")
	equal(t, "status without a state", status, 1)
	has(t, "screen", screen, "s3://states/production/terraform.tfstate does not exist, but it did: restore its newest version (docs/runbook.md)\n")
}

func TestUnlockRemovesTheLockInS3(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		locks  string
		places []string
		fine   string
	}{
		"alone": {inS3, []string{"s3://states/production/terraform.tfstate.tflock"}, "production: the state is not locked: there is nothing to mend\n"},
		"beside that in the lock table": {
			inBoth,
			[]string{"s3://states/production/terraform.tfstate.tflock", "the lock table locks"},
			"production: the state is not locked, and its MD5 is right: there is nothing to mend\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, aws := newStateCheckout(t, test.locks)
			screen, status := c.runAtTerminal(t, 80, "unlock --env production", "")
			equal(t, "status after a deploy", status, 0)
			has(t, "screen", screen, test.fine)

			// Killed during an apply: the locks are left.
			info := lockInfo(t, "11111111-2222-3333-4444-555555555555")
			c.putLockFile(t, aws, info)
			if test.locks == inBoth {
				putItem(t, aws, map[string]string{"LockID": "states/production/terraform.tfstate", "Info": info})
			}
			screen, status = c.runAtTerminal(t, 80, "deploy --env production", "")
			equal(t, "status of a deploy", status, 1)
			has(t, "screen", screen, "the state is locked: ann@laptop runs OperationTypeApply since ", " UTC (2h1", "m ago), lock 11111111-2222-3333-4444-555555555555; wait until it ends; "+
				`if that process is dead: make unlock ENV=production (docs/runbook.md, "The state is locked")`)
			c.mustRun(t, "plan --env production", "No changes") // it does not lock
			screen, status = c.runAtTerminal(t, 80, "unlock --env production", "yes\n")
			equal(t, "status after yes", status, 0)
			for _, place := range test.places {
				has(t, "screen", screen, "production is locked: OperationTypeApply by ann@laptop since ", "m0s ago (lock 11111111-2222-3333-4444-555555555555 in "+place+").\n")
			}
			screen, status = c.runAtTerminal(t, 80, "unlock --env production", "")
			equal(t, "status without a lock", status, 0)
			has(t, "screen", screen, test.fine)
			c.deployInput(t, test.locks, "b")
		})
	}
}

// The way of docs/components.md, with Terraform's settings of the earlier backend in the checkout.
func TestTheLockMovesToS3AndBack(t *testing.T) {
	t.Parallel()
	c, aws := newStateCheckout(t, inTable)
	c.addCDKTF(t)
	c.deployInput(t, inBoth, "b")
	c.useBackend(t, inS3, "c")
	c.env["CI"] = "true"
	c.mustRun(t, "deploy --env production", "production is deployed")
	c.env["CI"] = ""
	digest := aws("dynamodb", "get-item", "--table-name", "locks", "--key", `{"LockID": {"S": "states/production/terraform.tfstate-md5"}}`, "--query", "Item.Digest.S", "--output", "text")

	// The table has the MD5 of the last state that was locked there.
	c.useBackend(t, inBoth, "c")
	c.mustFail(t, "plan --env production", `or state.lock was s3: try again in a minute; if that does not help: make unlock ENV=production`)
	screen, status := c.runAtTerminal(t, 80, "unlock --env production", "yes\n")
	equal(t, "status of unlock", status, 0)
	has(t, "screen", screen, fmt.Sprintf("The lock table has the MD5 %q. That of the newest state, with serial ", strings.TrimSpace(digest)), "production is unlocked.")
	c.mustRun(t, "plan --env production", "No changes")
	c.deployInput(t, inBoth, "d")
	c.deployInput(t, inTable, "e")
	c.mustRun(t, "plan --env production", "No changes")
}

// An approved unlock removes the lock that was shown, and no other.
func TestUnlockLeavesAnotherLock(t *testing.T) {
	c, aws := newStateCheckout(t, inBoth)
	for name, value := range c.env {
		if strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
	states, err := statelock.Open(t.Context(), statelock.Backend{Bucket: "states", Key: "production/terraform.tfstate", Region: "eu-west-1", Table: "locks", LockFile: true})
	check(t, err)
	for place, put := range map[string]func(info string){
		"the lock table": func(info string) {
			putItem(t, aws, map[string]string{"LockID": "states/production/terraform.tfstate", "Info": info})
		},
		"S3": func(info string) { c.putLockFile(t, aws, info) },
	} {
		put(`{"ID": "first"}`)
		shown, err := states.Read(t.Context())
		check(t, err)
		put(`{"ID": "second"}`)
		wantError(t, states.Mend(t.Context(), shown), "the lock or the state has changed in the meantime: another Terraform runs, or has ended")
		now, err := states.Read(t.Context())
		check(t, err)
		equal(t, "locks in "+place, len(now.Locks), 1)
		equal(t, "lock in "+place, now.Locks[0].ID, "second")
		check(t, states.Mend(t.Context(), now))
	}
}
