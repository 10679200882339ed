package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/starttech/infrastructure/internal/refresh"
)

const (
	earlierTag = "1111111111111111111111111111111111111111"
	newTag     = "2222222222222222222222222222222222222222"
)

// newEnvironment returns an environment of testdata/aws, and a function that reads its files. files are those at the beginning.
func newEnvironment(t *testing.T, files map[string]string) (e Environment, read func(name string) string) {
	t.Helper()
	dir := t.TempDir()
	files["calls"] = ""
	cli, err := filepath.Abs("testdata/aws")
	check(t, err)
	check(t, os.Symlink(cli, filepath.Join(dir, "aws")))
	for name, content := range files {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return Environment{AWS: filepath.Join(dir, "aws"), Group: refresh.Group{Client: group(dir)}}, func(name string) string {
		content, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		return string(content)
	}
}

// group is the Auto Scaling group of testdata/aws, whose files are in a directory.
type group string

// DescribeInstanceRefreshes returns the first line of the file refreshes. It removes the line unless it is the last one.
func (g group) DescribeInstanceRefreshes(
	context.Context, *autoscaling.DescribeInstanceRefreshesInput, ...func(*autoscaling.Options),
) (*autoscaling.DescribeInstanceRefreshesOutput, error) {
	file := filepath.Join(string(g), "refreshes")
	content, err := os.ReadFile(file)
	line, rest, _ := strings.Cut(string(content), "\n")
	id, status, found := strings.Cut(line, " ")
	if err != nil || !found {
		return &autoscaling.DescribeInstanceRefreshesOutput{}, err
	}
	if rest != "" {
		err = os.WriteFile(file, []byte(rest), 0o644)
	}
	return &autoscaling.DescribeInstanceRefreshesOutput{InstanceRefreshes: []types.InstanceRefresh{{
		InstanceRefreshId: &id, Status: types.InstanceRefreshStatus(status), StatusReason: aws.String("a reason"), PercentageComplete: aws.Int32(50),
	}}}, err
}

func TestIsReleased(t *testing.T) {
	for name, test := range map[string]struct {
		tag, refreshes string
		want           bool
	}{
		"successful refresh":               {newTag, "refresh0 Successful\n", true},
		"refresh that ends successfully":   {newTag, "refresh0 InProgress\nrefresh0 Successful\n", true},
		"failed refresh":                   {newTag, "refresh0 Failed\n", false},
		"cancelled refresh":                {newTag, "refresh0 Cancelled\n", false},
		"no refresh":                       {newTag, "", false},
		"another tag":                      {earlierTag, "refresh0 Successful\n", false},
		"another tag, refresh in progress": {earlierTag, "refresh0 InProgress\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _ := newEnvironment(t, map[string]string{"tag": test.tag, "refreshes": test.refreshes})
			if got, err := e.IsReleased(t.Context(), newTag, func(string) {}); got != test.want || err != nil {
				t.Errorf("%v %v, want %v", got, err, test.want)
			}
		})
	}
}

func TestBackend(t *testing.T) {
	const (
		released = "tag " + newTag + "\nstart\n"
		back     = "tag " + earlierTag + "\n"
	)
	for name, test := range map[string]struct {
		tag, before, refresh string // the parameter, the refreshes before, and the states of the release's refresh
		interrupt            bool   // cancel ctx at the first progress of the release's refresh
		progress, calls, err string
	}{
		"first release": {
			tag: "none", refresh: "refresh1 Pending\nrefresh1 Successful\n", calls: released,
			progress: "50 % of the instances replaced",
		},
		"refresh of a configuration change": {
			tag: earlierTag, before: "refresh0 InProgress\nrefresh0 Successful\n", refresh: "refresh1 Successful\n", calls: released,
			progress: "waiting for an earlier instance refresh, 50 % of the instances replaced",
		},
		"failure": {
			tag: earlierTag, before: "refresh0 Successful\n", refresh: "refresh1 Failed\n", calls: released + back + "start\n",
			err: "the instance refresh refresh1 is Failed: a reason; " + earlierTag + " is released again, and instance refresh refresh2 replaces the instances",
		},
		"failure of the same tag": {
			tag: newTag, before: "refresh0 Failed\n", refresh: "refresh1 Failed\n", calls: released,
			err: "the instance refresh refresh1 is Failed: a reason",
		},
		"interrupt": {
			tag: earlierTag, refresh: "refresh1 InProgress\n", interrupt: true, calls: released + back + "cancel\nstart\n",
			progress: "50 % of the instances replaced\nrolling back: waiting for the end of the instance refresh",
			err:      "context canceled; " + earlierTag + " is released again, and instance refresh refresh2 replaces the instances",
		},
		"interrupt of the same tag": {
			tag: newTag, before: "refresh0 Failed\n", refresh: "refresh1 InProgress\n", interrupt: true, calls: released,
			progress: "50 % of the instances replaced", err: "context canceled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, read := newEnvironment(t, map[string]string{
				"tag": test.tag, "refreshes": test.before, "refresh1": test.refresh, "refresh2": "refresh2 InProgress\n",
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var progress []string
			err := e.Backend(ctx, newTag, func(text string) {
				progress = append(progress, text)
				if test.interrupt {
					cancel()
				}
			})
			if got := read("calls"); got != test.calls {
				t.Errorf("calls:\n%swant:\n%s", got, test.calls)
			}
			if got := strings.Join(progress, "\n"); got != test.progress {
				t.Errorf("progress:\n%s\nwant:\n%s", got, test.progress)
			}
			if got := fmt.Sprint(err); err == nil && test.err != "" || err != nil && got != test.err {
				t.Errorf("error:\n%s\nwant:\n%s", got, test.err)
			}
			if test.interrupt && !errors.Is(err, context.Canceled) {
				t.Errorf("%v is not an interrupt", err)
			}
		})
	}
}

func TestSecretIsNotInArguments(t *testing.T) {
	e, read := newEnvironment(t, map[string]string{})
	_, err := e.SetParameter(t.Context(), "/starttech/production/JWT_SECRET_KEY", "a secret")
	check(t, err)
	if calls, secret := read("calls"), read("secret"); calls != "secret file:///dev/stdin\n" || secret != "a secret" {
		t.Errorf("the arguments have %q, and the secret is %q", calls, secret)
	}
}
