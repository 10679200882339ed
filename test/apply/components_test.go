package apply

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// TestComponentsArePlannedAlone plans each optional component in an environment that has no other, and its account. A plan calls the
// provider's own checks of the arguments, which terraform validate does not. With -short, it is skipped.
func TestComponentsArePlannedAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("-short omits the plans")
	}
	dir := t.TempDir()
	harness.Must(t, 0, harness.CopyEnvironments(dir, filepath.Join(harness.Root, harness.ComponentsDir)))
	out, err := harness.Synthesize(dir)
	harness.Must(t, out, err)
	useLocalStates(t, out, t.TempDir())
	for name, s := range out.Stacks {
		if s.IsBootstrap() {
			continue
		}
		account := config.BootstrapStackOf(s.Environment().Account, s.AllEnvironments())
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			aws := startAWSWith(t, local.Options{Account: s.Environment().Account})
			if domain := s.Environment().Domain; domain != nil { // the account's plan does not create the zone that the environment's reads
				mustAWSCLI(t, aws, "route53", "create-hosted-zone", "--name", domain.Name, "--caller-reference", "components")
			}
			for _, each := range []string{account, name} {
				stack := open(t, out, each, aws.Env())
				stack.plan(t, "plan of "+each)
				var got []string
				for _, resource := range stack.show(t).ResourceChanges {
					if actions := resource.Change.Actions; actions.Create() {
						got = append(got, resource.Address)
					} else if !actions.Read() {
						t.Errorf("%s: %s: %v", each, resource.Address, actions)
					}
				}
				want := slices.DeleteFunc(out.Stack(t, each).Addresses(), func(address string) bool { return strings.HasPrefix(address, "data.") })
				harness.EqualSets(t, "resources that the plan of "+each+" creates", got, want)
			}
		})
	}
}
