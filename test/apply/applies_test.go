package apply

import "testing"

// TestApplies applies the stacks on three local AWSs, and then checks which actions the roles called. With -short, it is skipped.
func TestApplies(t *testing.T) {
	if testing.Short() {
		t.Skip("-short omits the applies")
	}
	recorded := &calls{byRole: map[string]map[string][]string{}}
	t.Run("stacks", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *calls){
			"lifecycle of production": testLifecycle,
			"variants":                testVariants,
			"everything":              testEverything,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, recorded)
			})
		}
	})
	if recorded.completed.Load() < 3 {
		return // an incomplete test has not called every action
	}
	t.Run("long-term credentials are not created", func(t *testing.T) { testCredentials(t, recorded) })
	t.Run("roles call only what their policies allow", func(t *testing.T) { testCallsAreAllowed(t, recorded) })
	t.Run("permissions page explains every uncalled action", func(t *testing.T) { testPermissionsPage(t, recorded) })
}
