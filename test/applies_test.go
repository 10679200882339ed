package test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/starttech/infrastructure/local"
)

// TestApplies applies the stacks on local AWSs, and then looks at what was called.
func TestApplies(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the applies")
	}
	t.Parallel()
	called := &calls{by: map[string]map[string][]string{}}
	t.Run("on a local AWS", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *calls){
			"a whole life":  testLife,
			"every variant": testVariants,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, called)
			})
		}
	})
	if called.ended < 2 {
		return // what was not applied was not called either
	}
	t.Run("no long-term credentials are made", func(t *testing.T) { checkCredentials(t, called) })
	t.Run("the roles are allowed what they called, and a reason stands for the rest", func(t *testing.T) { checkCalls(t, called) })
}

// calls is what was called by whom on all local AWSs: role, action, resources. An administrator is "root".
type calls struct {
	mutex sync.Mutex
	by    map[string]map[string][]string
	ended int // tests that came to their end
}

// end says that a test came to its end.
func (c *calls) end() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.ended++
}

// add asks a local AWS for its calls.
func (c *calls) add(t *testing.T, aws *local.AWS) {
	t.Helper()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for who, actions := range ask[map[string]map[string][]string](t, aws, "/_local/calls") {
		if c.by[who] == nil {
			c.by[who] = map[string][]string{}
		}
		for action, resources := range actions {
			c.by[who][action] = append(c.by[who][action], resources...)
		}
	}
}

// checkCalls compares what each role called with what its policies allow. What they allow beyond that stands in
// docs/permissions.md, with the reason.
func checkCalls(t *testing.T, called *calls) {
	bootstrap := variant(t, "bootstrap")
	var release []string
	for _, s := range production(t).resource(t, "aws_iam_role_policy.release_permissions").statements(t, "policy") {
		release = append(release, s.Action...)
	}
	uncalled := map[string][]string{}
	for role, allowed := range map[string][]string{
		"plan":               actions(granted(t, bootstrap, "plan_role")),
		"deploy":             actions(granted(t, bootstrap, "deploy_role")),
		"production-release": release,
	} {
		by := called.by["starttech-"+role]
		for _, action := range slices.Sorted(maps.Keys(by)) {
			if !slices.Contains(allowed, action) && action != "sts:GetCallerIdentity" { // which nobody can be denied
				t.Errorf("%s called %s, which its policies do not allow", role, action)
			}
		}
		for _, action := range allowed {
			if by[action] == nil {
				uncalled[strings.TrimPrefix(role, "production-")] = append(uncalled[strings.TrimPrefix(role, "production-")], action)
			}
		}
	}
	logUnchecked(t, called)
	explained := explainedPermissions(t)
	for _, role := range []string{"plan", "deploy", "release"} {
		equalSets(t, "allowed to "+role+" and never called, by docs/permissions.md", explained[role], uncalled[role])
	}
}

// logUnchecked says where the local AWS could not tell which resource a call is about, and so checked the action alone.
// TestEveryActionThatIsAllowedCanHappenOnAWS looks at their resources.
func logUnchecked(t *testing.T, called *calls) {
	t.Helper()
	known, err := readReference()
	if err != nil {
		t.Fatal(err)
	}
	var alone []string
	for _, action := range slices.Sorted(maps.Keys(called.by["starttech-deploy"])) {
		_, general := known.find(t, action).Types[""]
		if slices.Contains(called.by["starttech-deploy"][action], "*") && (len(known.find(t, action).Types) > 1 || !general) {
			alone = append(alone, action)
		}
	}
	t.Logf("of %d actions, the local AWS could not tell the resource of %d, and checked the action alone: %s",
		len(called.by["starttech-deploy"]), len(alone), strings.Join(alone, ", "))
}

// explainedPermissions is the table of docs/permissions.md: actions by role.
func explainedPermissions(t *testing.T) map[string][]string {
	t.Helper()
	content, err := os.ReadFile("../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string][]string{}
	for line := range strings.Lines(string(content)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 || !strings.Contains(cells[1], ":") {
			continue
		}
		if !strings.Contains(strings.TrimSpace(cells[2]), " ") {
			t.Errorf("no reason: %s", line)
		}
		role := strings.TrimSpace(cells[0])
		for action := range strings.SplitSeq(cells[1], ",") {
			explained[role] = append(explained[role], strings.Trim(action, " `"))
		}
	}
	return explained
}

func checkCredentials(t *testing.T, called *calls) {
	if called.by["starttech-deploy"]["iam:CreateRole"] == nil {
		t.Error("the calls are not recorded: a role was created")
	}
	for who, actions := range called.by {
		for _, action := range slices.Sorted(maps.Keys(actions)) {
			if slices.Contains([]string{"iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile"}, action) {
				t.Errorf("%s called %s", who, action)
			}
		}
	}
}
