package operate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// The logs of an environment.
const (
	LogBackend = "backend" // of the containers, in the streams INSTANCE/TAG
	LogBoot    = "boot"    // of the instances' boot script, in the streams INSTANCE/boot
	LogAccess  = "access"  // of the load balancer
	LogFlow    = "flow"    // of the VPC
)

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

// LogGroup is the name of a log's group.
func (e *Environment) LogGroup(log string) (string, error) {
	switch log {
	case LogBackend, LogBoot:
		return e.Output("backend_log_group")
	case LogAccess:
		return e.Output("access_log_group")
	case LogFlow:
		if !e.Network.FlowLogs {
			return "", fmt.Errorf("%s has no flow logs: network.flowLogs is false", e.Name)
		}
		return e.PathPrefix() + "/vpc/flow", nil
	}
	return "", fmt.Errorf("%q is not a log; allowed: %s, %s, %s, %s", log, LogBackend, LogBoot, LogAccess, LogFlow)
}

// matches reports whether an event is one of the query's. CloudWatch selects by the beginning of a stream's name only.
func (q LogQuery) matches(stream string) bool {
	switch q.Log {
	case LogAccess, LogFlow:
		return true
	}
	instance, of, _ := strings.Cut(stream, "/")
	return (q.Instance == "" || instance == q.Instance) &&
		(q.Log == LogBoot) == (of == LogBoot) &&
		(q.Release == "" || of == q.Release)
}

// Logs calls found for the events of a query, in the order of their time, and returns the newest time.
func (e *Environment) Logs(ctx context.Context, q LogQuery, found func(Event) error) (newest time.Time, err error) {
	group, err := e.LogGroup(q.Log)
	if err != nil {
		return q.Since, err
	}
	input := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: aws.Int64(q.Since.UnixMilli())}
	if q.Filter != "" {
		input.FilterPattern = &q.Filter
	}
	if q.Instance != "" {
		input.LogStreamNamePrefix = aws.String(q.Instance + "/")
	}
	newest = q.Since
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(e.logs(), input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return newest, fmt.Errorf("read the log group %s: %w", group, plain(err))
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

// followInterval is the time between two reads of a log that is followed.
const followInterval = 2 * time.Second

// FollowLogs is Logs until ctx is cancelled. Events arrive late, so it looks back, and leaves out those that it has passed on.
func (e *Environment) FollowLogs(ctx context.Context, q LogQuery, found func(Event) error) error {
	const lookBack = 30 * time.Second
	seen := map[string]time.Time{}
	for {
		newest, err := e.Logs(ctx, q, func(event Event) error {
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
		if back := newest.Add(-lookBack); back.After(q.Since) {
			q.Since = back
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
	group, err := e.LogGroup(LogBackend)
	if err != nil {
		return nil, err
	}
	client := e.logs()
	streams, err := client.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{
		LogGroupName: &group, OrderBy: logstypes.OrderByLastEventTime, Descending: aws.Bool(true), Limit: aws.Int32(20),
	})
	if err != nil {
		return nil, fmt.Errorf("read the log group %s: %w", group, plain(err))
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
			return reports, fmt.Errorf("read the log group %s: %w", group, plain(err))
		}
		for _, event := range events.Events {
			reports = append(reports, aws.ToString(stream.LogStreamName)+": "+strings.TrimSpace(aws.ToString(event.Message)))
		}
	}
	return reports, nil
}
