package apply

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// calls is the actions that were called on all local AWSs, by role. The values are resources. The administrator of the local AWS is "administrator".
type calls struct {
	mutex     sync.Mutex
	byRole    map[string]map[string][]string
	completed atomic.Int32 // number of tests that reached their end
}

// add adds the calls on a local AWS.
func (c *calls) add(t *testing.T, aws *local.AWS) {
	t.Helper()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for role, actions := range introspect[map[string]map[string][]string](t, aws, "/_local/calls") {
		if c.byRole[role] == nil {
			c.byRole[role] = map[string][]string{}
		}
		maps.Copy(c.byRole[role], actions)
	}
}

// of is the calls of "plan", "deploy" or production's "release".
func (c *calls) of(role string) map[string][]string {
	if role == "release" {
		role = "production-release"
	}
	return c.byRole["starttech-"+role]
}

// allowedActions is the actions that the policies of each role allow.
func allowedActions(t *testing.T) map[string][]string {
	t.Helper()
	production := harness.Variants(t).Stack(t, "production")
	of := func(role string) []string {
		var statements []harness.Statement
		for _, bootstrap := range []harness.Stack{harness.Variants(t).Stack(t, "bootstrap"), harness.Components(t).Stack(t, "bootstrap-123456789012")} {
			statements = append(statements, bootstrap.AttachedStatements(t, role)...)
		}
		return harness.Actions(statements)
	}
	return map[string][]string{
		"plan":    of("aws_iam_role.plan_role"),
		"deploy":  of("aws_iam_role.deploy_role"),
		"release": harness.Actions(production.Resource(t, "aws_iam_role_policy.release_permissions").Statements(t, "policy")),
	}
}

func testCallsAreAllowed(t *testing.T, recorded *calls) {
	for role, allowed := range allowedActions(t) {
		for _, action := range slices.Sorted(maps.Keys(recorded.of(role))) {
			if !slices.Contains(allowed, action) && action != "sts:GetCallerIdentity" { // which needs no permission
				t.Errorf("%s called %s, which its policies do not allow", role, action)
			}
		}
	}
}

func testCredentials(t *testing.T, recorded *calls) {
	if recorded.of("deploy")["iam:CreateRole"] == nil {
		t.Error("deploy has not called iam:CreateRole, so the calls were not recorded")
	}
	for role, called := range recorded.byRole {
		for _, action := range []string{"iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile"} {
			if called[action] != nil {
				t.Errorf("%s called %s", role, action)
			}
		}
	}
}
