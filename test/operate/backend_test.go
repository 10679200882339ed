package operate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

const (
	parameter = "/starttech/staging/release"
	logGroup  = "/starttech/staging/backend"
	group     = "starttech-staging-backend"
)

// newBackend creates the release parameter with the tags of earlier releases, and an image of each tag.
func newBackend(t *testing.T, auto http.Handler, tags ...string) *operate.Environment {
	t.Helper()
	server := httptest.NewServer(auto)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_AUTO_SCALING", server.URL)
	client := ssm.NewFromConfig(settings(t))
	for _, tag := range tags {
		put, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String(parameter), Value: &tag, Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(true)})
		harness.Must(t, put, err)
	}
	return open(t, operate.Outputs{"release_parameter": parameter, "auto_scaling_group_name": group, "backend_log_group": logGroup, "ecr_repository_url": "x/starttech-staging-backend"})
}

const (
	earlierTag = "1111111111111111111111111111111111111111"
	newTag     = "2222222222222222222222222222222222222222"
)

func TestBackendIsReleased(t *testing.T) {
	start(t, local.Options{})
	for name, test := range map[string]struct {
		tag       string     // the parameter before
		statuses  [][]string // of the refresh before, the release's, and the rollback's
		interrupt bool       // cancel ctx at the first progress of the release's refresh

		progress, calls, released, err string
	}{
		"first release": {
			tag: "none", statuses: [][]string{nil, {"Pending", "Successful"}}, calls: "start", released: newTag,
			progress: "50 % of the instances replaced",
		},
		"refresh of a configuration change": {
			tag: earlierTag, statuses: [][]string{{"InProgress", "Successful"}, {"Successful"}}, calls: "start", released: newTag,
			progress: "waiting for an earlier instance refresh, 50 % of the instances replaced",
		},
		"failure": {
			tag: earlierTag, statuses: [][]string{{"Successful"}, {"Failed"}, {"InProgress"}}, calls: "start start", released: earlierTag,
			err: "the instance refresh refresh1 is Failed: a reason; " + earlierTag + " is released again, and instance refresh refresh2 replaces the instances",
		},
		"failure of the same tag": {
			tag: newTag, statuses: [][]string{{"Failed"}, {"Failed"}}, calls: "start", released: newTag,
			err: "the instance refresh refresh1 is Failed: a reason",
		},
		"interrupt": {
			tag: earlierTag, statuses: [][]string{nil, {"InProgress"}, {"InProgress"}}, interrupt: true, calls: "start cancel start", released: earlierTag,
			progress: "50 % of the instances replaced",
			err:      "context canceled; " + earlierTag + " is released again, and instance refresh refresh2 replaces the instances",
		},
	} {
		t.Run(name, func(t *testing.T) {
			auto := &harness.Refreshes{Statuses: test.statuses}
			e := newBackend(t, auto, test.tag)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var progress []string
			err := e.ReleaseBackend(ctx, newTag, func(text string) {
				progress = append(progress, text)
				if test.interrupt {
					cancel()
				}
			})
			harness.Equal(t, "calls", strings.Join(auto.Calls(), " "), test.calls)
			harness.Equal(t, "progress", strings.Join(slices.Compact(progress), "\n"), test.progress)
			harness.Equal(t, "error", errorText(err), test.err)
			released, err := e.Released(t.Context())
			harness.Equal(t, "the released tag", harness.Must(t, released, err), test.released)
		})
	}
}

func TestKilledReleaseIsPutBack(t *testing.T) {
	start(t, local.Options{})
	for name, test := range map[string]struct {
		tag      string // the parameter
		statuses [][]string
		age      time.Duration // of the refresh that is the newest

		calls, result string
	}{
		"before the release wrote the tag": {
			tag: earlierTag, statuses: [][]string{{"InProgress"}}, result: earlierTag + " is released already",
		},
		"before the first release": {tag: "none", statuses: [][]string{nil}, result: "none is released already"},
		"between the tag and the instance refresh": {
			tag: newTag, statuses: [][]string{{"Successful"}, {"InProgress"}}, age: time.Hour, calls: "start",
			result: earlierTag + " is released again, and instance refresh refresh1 replaces the instances",
		},
		"during the instance refresh": {
			tag: newTag, statuses: [][]string{{"InProgress"}, {"InProgress"}}, calls: "cancel start",
			result: earlierTag + " is released again, and instance refresh refresh1 replaces the instances",
		},
		"before its instance refresh begins": {
			tag: newTag, statuses: [][]string{{"Pending"}, {"InProgress"}}, calls: "cancel start",
			result: earlierTag + " is released again, and instance refresh refresh1 replaces the instances",
		},
		"during the instance refresh of a deploy": {
			tag: newTag, statuses: [][]string{{"InProgress", "InProgress", "Successful"}, {"InProgress"}}, age: time.Hour, calls: "start",
			result: earlierTag + " is released again, and instance refresh refresh1 replaces the instances",
		},
		"while its refresh is cancelled": {
			tag: earlierTag, statuses: [][]string{{"Cancelling", "Cancelling", "Cancelled"}, {"InProgress"}}, age: time.Hour, calls: "start",
			result: earlierTag + " is released again, and instance refresh refresh1 replaces the instances",
		},
		"before the release wrote the tag, after a failed refresh": {
			tag: earlierTag, statuses: [][]string{{"Failed"}}, result: earlierTag + " is released already",
		},
		"after its rollback": {
			tag: earlierTag, statuses: [][]string{{"Successful"}}, result: earlierTag + " is released already",
		},
	} {
		t.Run(name, func(t *testing.T) {
			auto := &harness.Refreshes{Statuses: test.statuses, Age: test.age}
			e := newBackend(t, auto, test.tag)
			earlier := earlierTag
			if test.tag == operate.NoRelease {
				earlier = test.tag
			}
			result, err := e.PutBack(t.Context(), earlier, func(string) {})
			harness.Equal(t, "result", harness.Must(t, result, err), test.result)
			harness.Equal(t, "calls", strings.Join(auto.Calls(), " "), test.calls)
			released, err := e.Released(t.Context())
			harness.Equal(t, "the released tag", harness.Must(t, released, err), earlier)
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestBackendIsRolledBack(t *testing.T) {
	start(t, local.Options{})
	for name, test := range map[string]struct {
		statuses [][]string
		calls    string
	}{
		"after the release":      {[][]string{{"Successful"}, {"Successful"}}, "start"},
		"during the release":     {[][]string{{"InProgress"}, {"Successful"}}, "cancel start"},
		"after a failed release": {[][]string{{"Failed"}, {"Successful"}}, "start"},
	} {
		t.Run(name, func(t *testing.T) {
			auto := &harness.Refreshes{Statuses: test.statuses}
			e := newBackend(t, auto, earlierTag, newTag)
			releases, err := e.Releases(t.Context())
			harness.Must(t, 0, err)
			before, err := operate.Before(releases)
			harness.Equal(t, "the release before", harness.Must(t, before, err).Tag, earlierTag)
			harness.Must(t, 0, e.RollBackBackend(t.Context(), before.Tag, releases, func(string) {}))
			harness.Equal(t, "calls", strings.Join(auto.Calls(), " "), test.calls)
			released, err := e.Released(t.Context())
			harness.Equal(t, "the released tag", harness.Must(t, released, err), earlierTag)
		})
	}
}

// An operator who rolls back sees what the instances said.
func TestFailedReleaseShowsWhatInstancesLogged(t *testing.T) {
	start(t, local.Options{})
	e := newBackend(t, &harness.Refreshes{Statuses: [][]string{nil, {"InProgress", "Failed"}, {"InProgress"}}}, earlierTag)
	client := cloudwatchlogs.NewFromConfig(settings(t))
	created, err := client.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(logGroup)})
	harness.Must(t, created, err)
	write := func(stream string, lines ...string) {
		created, err := client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String(logGroup), LogStreamName: &stream})
		harness.Must(t, created, err)
		var events []logstypes.InputLogEvent
		for _, line := range lines {
			events = append(events, logstypes.InputLogEvent{Message: aws.String(line), Timestamp: aws.Int64(time.Now().UnixMilli())})
		}
		put, err := client.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String(logGroup), LogStreamName: &stream, LogEvents: events})
		harness.Must(t, put, err)
	}
	write("i-old/"+earlierTag, "an old line")
	wait(t.Context())
	wrote := false
	err = e.ReleaseBackend(t.Context(), newTag, func(string) {
		if !wrote {
			write("i-new/boot", "boot failed: MONGO_URI is missing")
			wrote = true
		}
	})
	var rolledBack *operate.RolledBackError
	if !errors.As(err, &rolledBack) {
		t.Fatalf("%v is no rollback", err)
	}
	harness.Equal(t, "reports", rolledBack.Reports, []string{"i-new/boot: boot failed: MONGO_URI is missing"})

	var found []string
	err = e.Logs(t.Context(), operate.LogQuery{Log: operate.LogBoot, Since: time.Now().Add(-time.Hour)}, func(event operate.Event) error {
		found = append(found, event.Stream+" "+event.Message)
		return nil
	})
	harness.Must(t, 0, err)
	harness.Equal(t, "the boot log", found, []string{"i-new/boot boot failed: MONGO_URI is missing"})
}

func TestMissingImageIsRefused(t *testing.T) {
	start(t, local.Options{})
	e := newBackend(t, &harness.Refreshes{Statuses: [][]string{nil}}, "none")
	created, err := ecr.NewFromConfig(settings(t)).CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String("starttech-staging-backend")})
	harness.Must(t, created, err)
	for tag, want := range map[string]string{
		newTag: "starttech-staging-backend has no image " + newTag + "; it has no images",
		"none": `"none" is not the tag of an image; allowed: letters, digits and _ . -, at most 128, and not none`,
		"a b":  `"a b" is not the tag of an image; allowed: letters, digits and _ . -, at most 128, and not none`,
	} {
		_, err := e.Image(t.Context(), tag)
		harness.Equal(t, tag, errorText(err), want)
	}
}

// One request in ten is throttled, fails, or loses its connection.
func TestReleaseSurvivesFaults(t *testing.T) {
	start(t, local.Options{FaultRate: 0.1})
	auto := &harness.Refreshes{Statuses: [][]string{nil, {"InProgress", "Successful"}}}
	e := newBackend(t, auto, earlierTag)
	harness.Must(t, 0, e.ReleaseBackend(t.Context(), newTag, func(string) {}))
	for range 20 {
		released, err := e.Released(t.Context())
		harness.Equal(t, "the released tag", harness.Must(t, released, err), newTag)
	}
}
