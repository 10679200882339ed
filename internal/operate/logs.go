package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/internal/awserror"
)

// The logs of an environment.
const (
	LogBackend = "backend" // of the containers, in the streams INSTANCE/TAG
	LogBoot    = "boot"    // of the instances' boot script, in the streams INSTANCE/boot
	LogAccess  = "access"  // of the load balancer
	LogWAF     = "waf"     // of the firewall, at the edge and at the load balancer
	LogFlow    = "flow"    // of the VPC
)

// LogNames is the names of the logs.
var LogNames = []string{LogBackend, LogBoot, LogAccess, LogWAF, LogFlow}

// LogQuery selects events of a log.
type LogQuery struct {
	Log      string
	Since    time.Time
	Filter   string // CloudWatch's filter pattern; empty: all events
	Instance string // ID; empty: of all instances
	Release  string // tag; empty: of all releases
}

// Event is a line of a log.
type Event struct {
	Time    time.Time `json:"time"`
	Stream  string    `json:"stream"`
	Message string    `json:"message"`

	id string
}

// logGroup is a log group and its region.
type logGroup struct{ name, region string }

// logGroups are the log groups of a log.
func (e *Environment) logGroups(log string) ([]logGroup, error) {
	name, err := "", error(nil)
	switch log {
	case LogBackend, LogBoot:
		name, err = e.Output("backend_log_group")
	case LogAccess:
		name, err = e.Output("access_log_group")
	case LogWAF:
		if !e.hasFirewallLogs() {
			return nil, fmt.Errorf("%s has no logs of a firewall: firewall.logs is not set", e.Name)
		}
		prefix := "aws-waf-logs-" + e.NamePrefix()
		return []logGroup{{prefix + "-edge", usEast1}, {prefix + "-origin", e.Region}}, nil
	case LogFlow:
		if !e.Network.FlowLogs {
			return nil, fmt.Errorf("%s has no flow logs: network.flowLogs is false", e.Name)
		}
		name = e.PathPrefix() + "/vpc/flow"
	default:
		return nil, fmt.Errorf("%q is not a log; allowed: %s", log, strings.Join(LogNames, ", "))
	}
	return []logGroup{{name, e.Region}}, err
}

func (e *Environment) hasFirewallLogs() bool { return e.Firewall != nil && e.Firewall.Logs != nil }

// check returns an error if the log has no streams of instances or releases, and the query selects one.
func (q LogQuery) check() error {
	isOfInstances := q.Log == LogBackend || q.Log == LogBoot
	switch {
	case q.Instance != "" && !isOfInstances:
		return fmt.Errorf("instance: the log %s is not by instance; allowed with %s, %s", q.Log, LogBackend, LogBoot)
	case q.Release != "" && q.Log != LogBackend:
		return fmt.Errorf("release: the log %s is not by release; allowed with %s", q.Log, LogBackend)
	}
	return nil
}

// matches reports whether an event is one of the query's. CloudWatch selects by the beginning of a stream's name only.
func (q LogQuery) matches(stream string) bool {
	if q.Log != LogBackend && q.Log != LogBoot {
		return true
	}
	instance, of, _ := strings.Cut(stream, "/")
	return (q.Instance == "" || instance == q.Instance) &&
		(q.Log == LogBoot) == (of == LogBoot) &&
		(q.Release == "" || of == q.Release)
}

// readLogs calls found for the events of a query in a log group, in the order of their time, and returns the newest time.
func (e *Environment) readLogs(ctx context.Context, group logGroup, q LogQuery, found func(Event) error) (newest time.Time, err error) {
	input := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group.name, StartTime: aws.Int64(q.Since.UnixMilli())}
	if q.Filter != "" {
		input.FilterPattern = &q.Filter
	}
	if q.Instance != "" {
		input.LogStreamNamePrefix = aws.String(q.Instance + "/")
	}
	newest = q.Since
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(e.logs(group.region), input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return newest, fmt.Errorf("read the log group %s: %w", group.name, awserror.Plain(err))
		}
		for _, event := range page.Events {
			stream, when := aws.ToString(event.LogStreamName), time.UnixMilli(aws.ToInt64(event.Timestamp)).UTC()
			if when.After(newest) {
				newest = when
			}
			if !q.matches(stream) {
				continue
			}
			if err := found(Event{when, stream, strings.TrimRight(aws.ToString(event.Message), "\n"), aws.ToString(event.EventId)}); err != nil {
				return newest, err
			}
		}
	}
	return newest, nil
}

// Logs calls found for the events of a query, in the order of their time.
func (e *Environment) Logs(ctx context.Context, q LogQuery, found func(Event) error) error {
	groups, err := e.logGroups(q.Log)
	if err := cmp.Or(err, q.check()); err != nil {
		return err
	}
	// The next event of each log group.
	var heads []Event
	var nexts []func() (Event, error, bool)
	for _, group := range groups {
		next, stop := iter.Pull2(func(yield func(Event, error) bool) {
			_, err := e.readLogs(ctx, group, q, func(event Event) error {
				if !yield(event, nil) {
					return errStopped
				}
				return nil
			})
			if err != nil && !errors.Is(err, errStopped) {
				yield(Event{}, err)
			}
		})
		defer stop()
		if event, err, ok := next(); err != nil {
			return err
		} else if ok {
			heads, nexts = append(heads, event), append(nexts, next)
		}
	}
	for len(heads) > 0 {
		first := 0
		for i := range heads {
			if heads[i].Time.Before(heads[first].Time) {
				first = i
			}
		}
		if err := found(heads[first]); err != nil {
			return err
		}
		event, err, ok := nexts[first]()
		if err != nil {
			return err
		}
		if heads[first] = event; !ok {
			heads, nexts = slices.Delete(heads, first, first+1), slices.Delete(nexts, first, first+1)
		}
	}
	return nil
}

// errStopped ends a read of a log group whose other events are not needed.
var errStopped = errors.New("stopped")

// followInterval is the time between two reads of a log that is followed.
const followInterval = 2 * time.Second

// FollowLogs calls found for the events of a query until ctx is cancelled.
func (e *Environment) FollowLogs(ctx context.Context, q LogQuery, found func(Event) error) error {
	groups, err := e.logGroups(q.Log)
	if err := cmp.Or(err, q.check()); err != nil {
		return err
	}
	var mutex sync.Mutex
	following, ctx := errgroup.WithContext(ctx)
	for _, group := range groups {
		following.Go(func() error {
			return e.followGroup(ctx, group, q, func(event Event) error {
				mutex.Lock()
				defer mutex.Unlock()
				return found(event)
			})
		})
	}
	return following.Wait()
}

// followGroup reads a log group until ctx is cancelled. Events arrive late, so it looks back, and leaves out those that it has passed on.
func (e *Environment) followGroup(ctx context.Context, group logGroup, q LogQuery, found func(Event) error) error {
	const lookBack, late = 30 * time.Second, 5 * time.Minute
	seen := map[string]time.Time{}
	for {
		passed := time.Now().Add(-late) // without events that match, so that a poll does not read all that came before
		newest, err := e.readLogs(ctx, group, q, func(event Event) error {
			if _, ok := seen[event.id]; ok && event.id != "" {
				return nil
			}
			seen[event.id] = event.Time
			return found(event)
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, since := range []time.Time{newest.Add(-lookBack), passed} {
			if since.After(q.Since) {
				q.Since = since
			}
		}
		for id, when := range seen {
			if when.Before(q.Since) {
				delete(seen, id)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followInterval):
		}
	}
}

// reportLines is the number of lines of each stream that a failed release shows.
const reportLines = 5

// instanceReports returns the last lines of the streams that instances have written since a time: why they did not become healthy.
func (e *Environment) instanceReports(ctx context.Context, since time.Time) ([]string, error) {
	group, err := e.Output("backend_log_group")
	if err != nil {
		return nil, err
	}
	client := e.logs(e.Region)
	streams, err := client.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{
		LogGroupName: &group, OrderBy: logstypes.OrderByLastEventTime, Descending: aws.Bool(true), Limit: aws.Int32(20),
	})
	if err != nil {
		return nil, fmt.Errorf("read the log group %s: %w", group, awserror.Plain(err))
	}
	var reports []string
	for _, stream := range streams.LogStreams {
		if aws.ToInt64(stream.CreationTime) < since.UnixMilli() {
			continue
		}
		events, err := client.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{
			LogGroupName: &group, LogStreamName: stream.LogStreamName, Limit: aws.Int32(reportLines),
		})
		if err != nil {
			return reports, fmt.Errorf("read the log group %s: %w", group, awserror.Plain(err))
		}
		for _, event := range events.Events {
			reports = append(reports, aws.ToString(stream.LogStreamName)+": "+strings.TrimSpace(aws.ToString(event.Message)))
		}
	}
	return reports, nil
}
