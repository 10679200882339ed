package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/starttech/infrastructure/internal/awserror"
)

// SavedQuery is a query of CloudWatch Logs Insights that the environment's stack has saved.
type SavedQuery struct {
	Name      string   `json:"name"` // without the environment
	LogGroups []string `json:"logGroups"`
	Region    string   `json:"region"`
	Query     string   `json:"query"`
}

// SavedQueries returns the environment's saved queries, sorted by their names.
func (e *Environment) SavedQueries(ctx context.Context) ([]SavedQuery, error) {
	var queries []SavedQuery
	for _, region := range e.Regions(e.Frontend.AccessLogs || e.hasFirewallLogs()) {
		input := &cloudwatchlogs.DescribeQueryDefinitionsInput{QueryDefinitionNamePrefix: aws.String(e.NamePrefix() + "/")}
		for { // the SDK has no paginator
			page, err := e.logs(region).DescribeQueryDefinitions(ctx, input)
			if err != nil {
				return nil, fmt.Errorf("list the saved queries in %s: %w", region, awserror.Plain(err))
			}
			for _, d := range page.QueryDefinitions {
				name := strings.TrimPrefix(aws.ToString(d.Name), *input.QueryDefinitionNamePrefix)
				queries = append(queries, SavedQuery{name, d.LogGroupNames, region, aws.ToString(d.QueryString)})
			}
			if input.NextToken = page.NextToken; input.NextToken == nil {
				break
			}
		}
	}
	slices.SortFunc(queries, func(a, b SavedQuery) int { return strings.Compare(a.Name, b.Name) })
	return queries, nil
}

// SavedQuery returns a saved query by its name. If there is none, the error lists the names.
func (e *Environment) SavedQuery(ctx context.Context, name string) (SavedQuery, error) {
	queries, err := e.SavedQueries(ctx)
	if err != nil {
		return SavedQuery{}, err
	}
	var names []string
	for _, q := range queries {
		if q.Name == name {
			return q, nil
		}
		names = append(names, q.Name)
	}
	if len(names) == 0 {
		return SavedQuery{}, fmt.Errorf("%s has no saved queries: deploy it first", e.Name)
	}
	return SavedQuery{}, fmt.Errorf("%q is not a saved query of %s; allowed: %s", name, e.Name, strings.Join(names, ", "))
}

// QueryResult is the result of a saved query.
type QueryResult struct {
	SavedQuery
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`

	Fields []string            `json:"fields"` // in the order of the query
	Rows   []map[string]string `json:"rows"`   // a row lacks the fields that its event lacks

	Matched float64 `json:"recordsMatched"`
	Scanned float64 `json:"recordsScanned"`
	Bytes   float64 `json:"bytesScanned"` // what AWS charges for
}

const (
	// queryInterval is the time between two reads of a query that runs.
	queryInterval = 500 * time.Millisecond
	// stopTimeout limits the request that stops a query whose result nobody waits for.
	stopTimeout = 10 * time.Second
)

// RunQuery runs a saved query over the events from a time to another, and waits for its end. If ctx is cancelled, it stops the query. AWS
// stops one after 60 minutes (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html).
func (e *Environment) RunQuery(ctx context.Context, q SavedQuery, since, until time.Time) (QueryResult, error) {
	result, client := QueryResult{SavedQuery: q, Since: since.UTC(), Until: until.UTC(), Fields: []string{}, Rows: []map[string]string{}}, e.logs(q.Region)
	started, err := client.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupNames: q.LogGroups, QueryString: &q.Query, StartTime: aws.Int64(since.Unix()), EndTime: aws.Int64(until.Unix()),
	})
	if err != nil {
		return result, fmt.Errorf("start the query %s: %w", q.Name, awserror.Plain(err))
	}
	for {
		answer, err := client.GetQueryResults(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: started.QueryId})
		if ctx.Err() != nil {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			_, _ = client.StopQuery(stopping, &cloudwatchlogs.StopQueryInput{QueryId: started.QueryId}) // it may have ended
			return result, ctx.Err()
		}
		if err != nil {
			return result, fmt.Errorf("read the result of the query %s: %w", q.Name, awserror.Plain(err))
		}
		switch answer.Status {
		case logstypes.QueryStatusScheduled, logstypes.QueryStatusRunning, logstypes.QueryStatusUnknown:
		case logstypes.QueryStatusComplete:
			result.add(answer)
			return result, nil
		default:
			return result, fmt.Errorf("the query %s is %s; --since with a shorter time reads less", q.Name, answer.Status)
		}
		select {
		case <-ctx.Done():
		case <-time.After(queryInterval):
		}
	}
}

// add adds the rows of a complete query, without AWS's pointers to the events.
func (r *QueryResult) add(answer *cloudwatchlogs.GetQueryResultsOutput) {
	for _, fields := range answer.Results {
		row := map[string]string{}
		for _, field := range fields {
			name := aws.ToString(field.Field)
			if name == "@ptr" {
				continue
			}
			if row[name] = aws.ToString(field.Value); !slices.Contains(r.Fields, name) {
				r.Fields = append(r.Fields, name)
			}
		}
		r.Rows = append(r.Rows, row)
	}
	if s := answer.Statistics; s != nil {
		r.Matched, r.Scanned, r.Bytes = s.RecordsMatched, s.RecordsScanned, s.BytesScanned
	}
}
