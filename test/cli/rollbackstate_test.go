package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// listedVersion is a part of what rollback state lists as JSON.
type listedVersion struct {
	VersionID string `json:"versionId"`
	Serial    int    `json:"serial"`
	Terraform string `json:"terraform"`
}

func (c checkout) stateVersions(t *testing.T) []listedVersion {
	t.Helper()
	output, failed := c.run(t, "rollback state --env production --output json")
	if failed {
		t.Fatal(output)
	}
	var list struct {
		Versions []listedVersion `json:"versions"`
	}
	check(t, json.Unmarshal([]byte(output), &list))
	return list.Versions
}

// After a rollback, Terraform plans with the earlier state, and deploys on top of it.
func TestStateIsRolledBack(t *testing.T) {
	t.Parallel()
	for name, locks := range map[string]string{"lock table": inTable, "both": inBoth, "lock in S3": inS3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, aws := newStateCheckout(t, locks)
			first := c.stateVersions(t)[0]
			c.deployInput(t, locks, "secret-b")
			c.mustRun(t, "plan --env production", "No changes")

			list, _ := c.run(t, "rollback state --env production")
			has(t, "list", list, "VERSION", "SERIAL", "TERRAFORM", "RESOURCES", first.VersionID, " (current)", "not recorded", "To go back to one: --to VERSION")
			if !strings.Contains(strings.Join(strings.Fields(list), " "), fmt.Sprintf("%d %s 1 0 0 1 not recorded", first.Serial, first.Terraform)) {
				t.Errorf("the list has no row of the first version with one changed resource:\n%s", list)
			}
			back := "rollback state --env production --to " + first.VersionID
			dry, failed := c.run(t, back+" --dry-run")
			equal(t, "whether the dry run failed", failed, false)
			has(t, "dry run", dry, "1 resources. Than the current state, it has 0 addresses in addition, 0 fewer, and 1 with other values.", "Nothing was changed.")
			c.mustRun(t, "plan --env production", "No changes")

			info := lockInfo(t, "11111111-2222-3333-4444-555555555555")
			remove := func() {
				aws("s3api", "delete-object", "--bucket", "states", "--key", "production/terraform.tfstate.tflock")
			}
			if locks == inTable {
				putItem(t, aws, map[string]string{"LockID": "states/production/terraform.tfstate", "Info": info})
				remove = func() {
					aws("dynamodb", "delete-item", "--table-name", "locks", "--key", `{"LockID": {"S": "states/production/terraform.tfstate"}}`)
				}
			} else {
				c.putLockFile(t, aws, info)
			}
			c.mustFail(t, back+" --yes", "production is locked: OperationTypeApply by ann@laptop since ")
			c.mustFail(t, back+" --yes", ", 2h15m0s ago (lock 11111111-2222-3333-4444-555555555555 in ")
			c.mustFail(t, back+" --yes", "wait until it ends; if that process is dead: make unlock ENV=production, and this command again")
			remove()

			c.mustFail(t, back, "rollback state asks for approval, but standard input is not a terminal; --yes does not ask")
			screen, status := c.runAtTerminal(t, 100, back, "no\n")
			equal(t, "status after no", status, 1)
			has(t, "screen", screen, "Write that state in account 123456789012 (eu-west-1) at http://127.0.0.1:", notApproved)
			equal(t, "versions", len(c.stateVersions(t)), 2)

			screen, status = c.runAtTerminal(t, 100, back, "production\n")
			equal(t, "status", status, 0)
			outputs := []string{list, dry, screen}
			has(t, "screen", screen, "Next: make plan ENV=production shows what a deploy would change.")
			c.mustRun(t, "plan --env production", "1 to change")
			screen, status = c.runAtTerminal(t, 100, "unlock --env production", "")
			equal(t, "status of unlock", status, 0)
			has(t, "screen of unlock", screen, "there is nothing to mend")
			c.mustRun(t, back+" --yes", "the state has the content of that version already, with serial ")
			c.deployInput(t, locks, "secret-b") // with the next serial
			c.mustRun(t, "plan --env production", "No changes")

			versions := c.stateVersions(t)
			for i := range versions[1:] {
				if versions[i].Serial <= versions[i+1].Serial {
					t.Errorf("the serials are %+v, want each higher than that before", versions)
				}
			}
			for _, output := range outputs {
				if strings.Contains(output, "secret-b") {
					t.Errorf("a value of the state is printed:\n%s", output)
				}
			}
		})
	}
}
