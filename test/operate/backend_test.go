package operate

import (
	"context"
	"errors"
	"fmt"
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
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
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
	for _, tag := range tags {
		writeTag(t, tag)
	}
	return open(t, operate.Outputs{"release_parameter": parameter, "auto_scaling_group_name": group, "backend_log_group": logGroup, "ecr_repository_url": "x/starttech-staging-backend"})
}

// writeTag writes the release parameter, and returns the number of its version.
func writeTag(t *testing.T, tag string) int64 {
	t.Helper()
	put, err := ssm.NewFromConfig(settings(t)).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String(parameter), Value: &tag, Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(true),
	})
	return harness.Must(t, put, err).Version
}

const (
	otherTag   = "3333333333333333333333333333333333333333"
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

// Somebody else starts an instance refresh before the first look at one's own, which has ended.
func TestOwnRefreshIsFollowed(t *testing.T) {
	start(t, local.Options{})
	e := newBackend(t, &harness.Refreshes{Statuses: [][]string{nil, {"Successful"}, {"InProgress"}}})
	id, err := e.StartRefresh(t.Context())
	harness.Must(t, id, err)
	other, err := e.StartRefresh(t.Context())
	harness.Must(t, other, err)
	ended, err := e.FollowRefresh(t.Context(), id, func(string) {})
	harness.Equal(t, "the refresh", harness.Must(t, ended, err).ID, id)
}

// Somebody else writes a tag as soon as the release's instance refresh has started.
func TestReleaseLeavesAnotherOneAlone(t *testing.T) {
	start(t, local.Options{})
	for name, test := range map[string]struct {
		statuses  []string // of the release's refresh
		other     string   // the tag
		interrupt bool
		err       string // its beginning
	}{
		"failure":               {statuses: []string{"Failed"}, other: otherTag, err: "the instance refresh refresh1 is Failed: a reason; it was not rolled back: the release parameter has " + otherTag + ", written by "},
		"interrupt":             {statuses: []string{"InProgress"}, other: otherTag, interrupt: true, err: "context canceled; it was not rolled back: the release parameter has " + otherTag + ", written by "},
		"failure, the same tag": {statuses: []string{"Failed"}, other: newTag, err: "the instance refresh refresh1 is Failed: a reason; it was not rolled back: the release parameter has " + newTag + ", written by "},
		"success":               {statuses: []string{"Successful"}, other: otherTag, err: "the instances are replaced, but some may not run " + newTag + ": the release parameter has " + otherTag + ", written by "},
	} {
		t.Run(name, func(t *testing.T) {
			auto := &harness.Refreshes{Statuses: [][]string{nil, test.statuses}}
			auto.OnStart = func() { writeTag(t, test.other) }
			e := newBackend(t, auto, earlierTag)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := e.ReleaseBackend(ctx, newTag, func(string) {
				if test.interrupt {
					cancel()
				}
			})
			if text := errorText(err); !strings.HasPrefix(text, test.err) || !strings.Contains(text, "arn:aws:") || strings.Contains(text, "\n") {
				t.Errorf("got %q, want one line that begins with %q", text, test.err)
			}
			harness.Equal(t, "calls", strings.Join(auto.Calls(), " "), "start")
			released, err := e.Released(t.Context())
			harness.Equal(t, "the released tag", harness.Must(t, released, err), test.other)
		})
	}
}

// A release that could not write its tag has nothing to roll back.
func TestReleaseThatWroteNothingChangesNothing(t *testing.T) {
	start(t, local.Options{})
	auto := &harness.Refreshes{Statuses: [][]string{nil}}
	e := newBackend(t, auto, earlierTag)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetParameter") {
			fmt.Fprintf(w, `{"Parameter": {"Value": "%s", "Version": 1}}`, earlierTag)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type": "AccessDeniedException", "message": "no"}`)
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL_SSM", server.URL)
	e = open(t, e.Outputs)
	err := e.ReleaseBackend(t.Context(), newTag, func(string) {})
	harness.Equal(t, "error", errorText(err), "write the parameter "+parameter+": AccessDeniedException: no; "+earlierTag+" is released still")
	harness.Equal(t, "calls", strings.Join(auto.Calls(), " "), "")
}

// newECR points the ECR client to a server, which answers each call with the next scan of an image; the last one stays.
func newECR(t *testing.T, scans []string) *operate.Environment {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if target := r.Header.Get("X-Amz-Target"); !strings.HasSuffix(target, ".DescribeImageScanFindings") {
			t.Errorf("unexpected %s", target)
		}
		scan := scans[0]
		if len(scans) > 1 {
			scans = scans[1:]
		}
		if scan == "" {
			w.WriteHeader(http.StatusBadRequest)
			scan = `{"__type": "ScanNotFoundException", "message": "Image scan does not exist"}`
		}
		fmt.Fprint(w, scan)
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_ECR", server.URL)
	return open(t, operate.Outputs{"ecr_repository_url": "x/starttech-staging-backend"})
}

func TestScanDecidesAboutRelease(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	const (
		running  = `{"imageScanStatus": {"status": "IN_PROGRESS"}}`
		pending  = `{"imageScanStatus": {"status": "PENDING"}}`
		clean    = `{"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {"findingSeverityCounts": {"HIGH": 3}}}`
		critical = `{"imageScanStatus": {"status": "%s"}, "imageScanFindings": {"findingSeverityCounts": {"CRITICAL": 2}}}`
	)
	for name, test := range map[string]struct {
		scans []string
		err   string
	}{
		"complete":           {[]string{clean}, ""},
		"complete later":     {[]string{"", pending, running, clean}, ""},
		"critical later":     {[]string{"", running, fmt.Sprintf(critical, "COMPLETE")}, "the scan of " + newTag + " has found 2 critical vulnerabilities; release a mended image, or set --allow-critical"},
		"enhanced, critical": {[]string{fmt.Sprintf(critical, "ACTIVE")}, "the scan of " + newTag + " has found 2 critical vulnerabilities; release a mended image, or set --allow-critical"},
		"failed":             {[]string{`{"imageScanStatus": {"status": "FAILED"}}`}, "the scan of " + newTag + " is FAILED, so its vulnerabilities are unknown: AWS gives no reason; release another image, or set --allow-critical"},
		"unsupported":        {[]string{running, `{"imageScanStatus": {"status": "UNSUPPORTED_IMAGE", "description": "an old Linux"}}`}, "the scan of " + newTag + " is UNSUPPORTED_IMAGE, so its vulnerabilities are unknown: an old Linux; release another image, or set --allow-critical"},
		"missing":            {[]string{""}, "ECR has not scanned " + newTag + " after 200ms: it scans no image with attestations (docker build --provenance=false --sbom=false); push it anew, or set --allow-critical"},
		"still in progress":  {[]string{running}, "the scan of " + newTag + " is IN_PROGRESS after 200ms; release it later, or set --allow-critical"},
		"error":              {[]string{`{}`}, "ECR returns no status of the scan of " + newTag},
	} {
		t.Run(name, func(t *testing.T) {
			err := newECR(t, test.scans).CheckScan(t.Context(), newTag, operate.ScanPatience{Timeout: 200 * time.Millisecond, Interval: 10 * time.Millisecond}, func(string) {})
			harness.Equal(t, "error", errorText(err), test.err)
		})
	}
}

// The local AWS answers as ECR does, whose scan on push the stack turns on.
func TestLocalImagesAreScanned(t *testing.T) {
	start(t, local.Options{})
	e := open(t, operate.Outputs{"ecr_repository_url": "x/starttech-staging-backend"})
	client := ecr.NewFromConfig(settings(t))
	created, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{
		RepositoryName: aws.String("starttech-staging-backend"), ImageScanningConfiguration: &ecrtypes.ImageScanningConfiguration{ScanOnPush: true},
	})
	harness.Must(t, created, err)
	patience := operate.ScanPatience{Timeout: time.Minute, Interval: time.Millisecond}
	harness.Has(t, "error", errorText(e.CheckScan(t.Context(), newTag, patience, func(string) {})), "ImageNotFoundException")
	put, err := client.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: aws.String("starttech-staging-backend"), ImageTag: aws.String(newTag), ImageManifest: aws.String("{}")})
	harness.Must(t, put, err)
	harness.Must(t, 0, e.CheckScan(t.Context(), newTag, patience, func(string) {}))
}

func TestKilledReleaseIsPutBack(t *testing.T) {
	start(t, local.Options{})
	for name, test := range map[string]struct {
		tag      string // the parameter
		begun    bool   // the release wrote the parameter, and then it got the tag
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
		"before the release wrote the tag, after a refresh that was cancelled": {
			tag: earlierTag, statuses: [][]string{{"Cancelled"}}, age: time.Hour, result: earlierTag + " is released already",
		},
		"before the release wrote the tag, whose refresh never started": {
			tag: earlierTag, statuses: [][]string{{"Successful"}}, age: time.Hour, result: earlierTag + " is released already",
		},
		"while its refresh is cancelled": {
			tag: earlierTag, begun: true, statuses: [][]string{{"Cancelling", "Cancelling", "Cancelled"}, {"InProgress"}}, age: time.Hour, calls: "start",
			result: earlierTag + " is released again, and instance refresh refresh1 replaces the instances",
		},
		"before the release wrote the tag, after a failed refresh": {
			tag: earlierTag, statuses: [][]string{{"Failed"}}, result: earlierTag + " is released already",
		},
		"after its rollback": {
			tag: earlierTag, begun: true, statuses: [][]string{{"Successful"}}, result: earlierTag + " is released already",
		},
	} {
		t.Run(name, func(t *testing.T) {
			auto := &harness.Refreshes{Statuses: test.statuses, Age: test.age}
			earlier := earlierTag
			if test.tag == operate.NoRelease {
				earlier = test.tag
			}
			e := newBackend(t, auto)
			killed := operate.KilledRelease{Tag: newTag, Before: earlier, VersionBefore: writeTag(t, earlier)}
			if test.begun {
				writeTag(t, newTag)
			}
			if test.begun || test.tag != earlier {
				writeTag(t, test.tag)
			}
			result, err := e.PutBack(t.Context(), killed, func(string) {})
			harness.Equal(t, "result", harness.Must(t, result, err), test.result)
			harness.Equal(t, "calls", strings.Join(auto.Calls(), " "), test.calls)
			released, err := e.Released(t.Context())
			harness.Equal(t, "the released tag", harness.Must(t, released, err), earlier)
		})
	}
}

func TestPutBackLeavesAnotherReleaseAlone(t *testing.T) {
	start(t, local.Options{})
	auto := &harness.Refreshes{Statuses: [][]string{{"InProgress"}}}
	e := newBackend(t, auto, earlierTag, newTag, otherTag)
	_, err := e.PutBack(t.Context(), operate.KilledRelease{Tag: newTag, Before: earlierTag, VersionBefore: 1}, func(string) {})
	harness.Has(t, "error", errorText(err), newTag+" is not rolled back: the release parameter has "+otherTag+", written by arn:aws:")
	harness.Equal(t, "calls", strings.Join(auto.Calls(), " "), "")
	released, err := e.Released(t.Context())
	harness.Equal(t, "the released tag", harness.Must(t, released, err), otherTag)
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
		"after the release":         {[][]string{{"Successful"}, {"Successful"}}, "start"},
		"during the release":        {[][]string{{"InProgress"}, {"Successful"}}, "cancel start"},
		"before its refresh begins": {[][]string{{"Pending"}, {"Successful"}}, "cancel start"},
		"after a failed release":    {[][]string{{"Failed"}, {"Successful"}}, "start"},
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
