package refresh

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// listed is the ID of the newest instance refresh of a group, one for each call; empty: there is none. The last one stays.
type listed []string

func (l *listed) DescribeInstanceRefreshes(
	context.Context, *autoscaling.DescribeInstanceRefreshesInput, ...func(*autoscaling.Options),
) (*autoscaling.DescribeInstanceRefreshesOutput, error) {
	id := (*l)[0]
	if len(*l) > 1 {
		*l = (*l)[1:]
	}
	if id == "" {
		return &autoscaling.DescribeInstanceRefreshesOutput{}, nil
	}
	return &autoscaling.DescribeInstanceRefreshesOutput{
		InstanceRefreshes: []types.InstanceRefresh{{InstanceRefreshId: &id, Status: types.InstanceRefreshStatusSuccessful}},
	}, nil
}

// AWS need not list an instance refresh as soon as it is started.
func TestWaitWaitsForARefreshThatIsNotListedYet(t *testing.T) {
	for name, test := range map[string]struct {
		ids   listed
		id    string
		want  string // the ID
		waits time.Duration
		err   string
	}{
		"listed at once": {listed{"new"}, "new", "new", 0, ""},
		"listed later":   {listed{"", "", "new"}, "new", "new", 2 * pollInterval, ""},
		"never listed":   {listed{""}, "new", "", startTimeout + pollInterval, "AWS does not list the instance refresh new of group"},
		"the newest":     {listed{""}, "", "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				found, err := Group{Name: "group", Client: &test.ids}.Wait(t.Context(), test.id, func(int) {})
				text := ""
				if err != nil {
					text = err.Error()
				}
				if found.ID != test.want || text != test.err {
					t.Errorf("got %q, %q, want %q, %q", found.ID, text, test.want, test.err)
				}
				if waited := time.Since(begin); waited != test.waits {
					t.Errorf("it waits %s, want %s", waited, test.waits)
				}
			})
		})
	}
}

func TestWaitForNewerIgnoresTheEarlierRefresh(t *testing.T) {
	for name, test := range map[string]struct {
		ids     listed
		earlier string
		want    string
		waits   time.Duration
	}{
		"listed at once":         {listed{"new"}, "old", "new", 0},
		"listed later":           {listed{"old", "old", "new"}, "old", "new", 2 * pollInterval},
		"the first one":          {listed{"", "new"}, "", "new", pollInterval},
		"none has started":       {listed{"old"}, "old", "old", startTimeout + pollInterval},
		"none, and none earlier": {listed{""}, "", "", startTimeout + pollInterval},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				found, err := Group{Client: &test.ids}.WaitForNewer(t.Context(), test.earlier)
				if err != nil || found.ID != test.want {
					t.Errorf("got %q, %v, want %q", found.ID, err, test.want)
				}
				if waited := time.Since(begin); waited > test.waits {
					t.Errorf("it waits %s, want at most %s", waited, test.waits)
				}
			})
		})
	}
}
