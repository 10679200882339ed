package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

const (
	accessGroup = "/starttech/staging/alb/access"
	flowGroup   = "/starttech/staging/vpc/flow"
	viewerGroup = "/starttech/staging/cloudfront/access"
	edgeGroup   = "aws-waf-logs-starttech-staging-edge"
	originGroup = "aws-waf-logs-starttech-staging-origin"
	instanceA   = "i-0aaaaaaaaaaaaaaaa"
	instanceB   = "i-0bbbbbbbbbbbbbbbb"
)

// logRegion is the region of a log group.
func logRegion(group string) string {
	if group == edgeGroup || group == viewerGroup {
		return "us-east-1"
	}
	return region
}

func logsClient(t *testing.T, group string) *cloudwatchlogs.Client {
	t.Helper()
	return cloudwatchlogs.NewFromConfig(settings(t), func(options *cloudwatchlogs.Options) { options.Region = logRegion(group) })
}

// logged is a line that was logged some seconds ago.
type logged struct {
	group, stream string
	ago           int
	message       string
}

// newLogs creates the log groups of an environment with every log, and writes lines.
func newLogs(t *testing.T, lines ...logged) *operate.Environment {
	t.Helper()
	for _, group := range []string{logGroup, accessGroup, flowGroup, viewerGroup, edgeGroup, originGroup} {
		created, err := logsClient(t, group).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group})
		harness.Must(t, created, err)
	}
	for _, line := range lines {
		line.write(t)
	}
	e := open(t, operate.Outputs{"backend_log_group": logGroup, "access_log_group": accessGroup})
	e.Frontend.AccessLogs, e.Network.FlowLogs = true, true
	e.Firewall = &config.Firewall{Logs: &config.FirewallLogs{}}
	return e
}

func (l logged) write(t *testing.T) {
	t.Helper()
	client := logsClient(t, l.group)
	var exists *logstypes.ResourceAlreadyExistsException
	if _, err := client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &l.group, LogStreamName: &l.stream}); err != nil && !errors.As(err, &exists) {
		t.Fatal(err)
	}
	put, err := client.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &l.group, LogStreamName: &l.stream, LogEvents: []logstypes.InputLogEvent{{
		Message: &l.message, Timestamp: aws.Int64(time.Now().Add(-time.Duration(l.ago) * time.Second).UnixMilli()),
	}}})
	harness.Must(t, put, err)
}

func TestLogsAreSelected(t *testing.T) {
	start(t, local.Options{})
	e := newLogs(t,
		logged{logGroup, instanceA + "/boot", 400, "boot of a"},
		logged{logGroup, instanceA + "/" + earlierTag, 300, "old ERROR of a"},
		logged{logGroup, instanceB + "/" + earlierTag, 200, "INFO of b"},
		logged{logGroup, instanceB + "/" + newTag, 100, "new ERROR of b"},
		logged{accessGroup, "lb", 100, "request"},
		logged{flowGroup, "eni", 100, "connection"},
		logged{originGroup, "waf", 300, "origin 1"},
		logged{edgeGroup, "waf", 200, "edge 2"},
		logged{originGroup, "waf", 100, "origin 3"},
	)
	for name, test := range map[string]struct {
		query operate.LogQuery
		since int // seconds; 0: 1000
		want  []string
		err   string
	}{
		"backend":              {query: operate.LogQuery{Log: "backend"}, want: []string{"old ERROR of a", "INFO of b", "new ERROR of b"}},
		"boot":                 {query: operate.LogQuery{Log: "boot"}, want: []string{"boot of a"}},
		"since":                {query: operate.LogQuery{Log: "backend"}, since: 250, want: []string{"INFO of b", "new ERROR of b"}},
		"filter":               {query: operate.LogQuery{Log: "backend", Filter: "ERROR"}, want: []string{"old ERROR of a", "new ERROR of b"}},
		"instance":             {query: operate.LogQuery{Log: "backend", Instance: instanceB}, want: []string{"INFO of b", "new ERROR of b"}},
		"boot of an instance":  {query: operate.LogQuery{Log: "boot", Instance: instanceB}},
		"release":              {query: operate.LogQuery{Log: "backend", Release: earlierTag}, want: []string{"old ERROR of a", "INFO of b"}},
		"instance and release": {query: operate.LogQuery{Log: "backend", Instance: instanceB, Release: earlierTag}, want: []string{"INFO of b"}},
		"access":               {query: operate.LogQuery{Log: "access"}, want: []string{"request"}},
		"flow":                 {query: operate.LogQuery{Log: "flow"}, want: []string{"connection"}},
		"waf, in two regions":  {query: operate.LogQuery{Log: "waf"}, want: []string{"origin 1", "edge 2", "origin 3"}},
		"unknown log":          {query: operate.LogQuery{Log: "nginx"}, err: `"nginx" is not a log; allowed: backend, boot, access, waf, flow`},
		"access by instance":   {query: operate.LogQuery{Log: "access", Instance: instanceA}, err: "instance: the log access is not by instance; allowed with backend, boot"},
		"boot by release":      {query: operate.LogQuery{Log: "boot", Release: newTag}, err: "release: the log boot is not by release; allowed with backend"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.since == 0 {
				test.since = 1000
			}
			test.query.Since = time.Now().Add(-time.Duration(test.since) * time.Second)
			var found []string
			err := e.Logs(t.Context(), test.query, func(event operate.Event) error {
				found = append(found, event.Message)
				return nil
			})
			harness.Equal(t, "error", errorText(err), test.err)
			harness.Equal(t, "events", found, test.want)
		})
	}

	stop := errors.New("enough")
	if err := e.Logs(t.Context(), operate.LogQuery{Log: "waf", Since: time.Now().Add(-time.Hour)}, func(operate.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v is not the error of the function", err)
	}

	e.Network.FlowLogs, e.Firewall = false, nil
	for log, want := range map[string]string{
		"flow": "staging has no flow logs: network.flowLogs is false", "waf": "staging has no logs of a firewall: firewall.logs is not set",
	} {
		harness.Equal(t, log, errorText(e.Logs(t.Context(), operate.LogQuery{Log: log}, nil)), want)
	}
}

// Each event is passed on once, from both log groups of the firewall.
func TestLogsAreFollowed(t *testing.T) {
	start(t, local.Options{})
	e := newLogs(t, logged{edgeGroup, "waf", 20, "edge 1"}, logged{originGroup, "waf", 10, "origin 1"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	found := map[string]int{}
	err := e.FollowLogs(ctx, operate.LogQuery{Log: "waf", Since: time.Now().Add(-time.Hour)}, func(event operate.Event) error {
		found[event.Message]++
		switch len(found) {
		case 2:
			logged{edgeGroup, "waf", 15, "late edge 2"}.write(t)
			logged{originGroup, "waf", 0, "origin 2"}.write(t)
		case 4:
			cancel()
		}
		return nil
	})
	harness.Must(t, 0, err)
	harness.Equal(t, "events", found, map[string]int{"edge 1": 1, "origin 1": 1, "late edge 2": 1, "origin 2": 1})
}

// putSavedQueries saves the queries of an environment that has every log.
func putSavedQueries(t *testing.T) {
	t.Helper()
	s := harness.Components(t).Stack(t, "everything")
	groups := map[string]string{}
	for address, group := range s.OfType("aws_cloudwatch_log_group") {
		groups[harness.Ref(address, "name")] = strings.Replace(group.Text("name"), s.Name, "staging", 1)
	}
	for _, definition := range s.OfType("aws_cloudwatch_query_definition") {
		group := groups[definition.Strings("log_group_names")[0]]
		put, err := logsClient(t, group).PutQueryDefinition(t.Context(), &cloudwatchlogs.PutQueryDefinitionInput{
			Name: aws.String(strings.Replace(definition.Text("name"), s.Name, "staging", 1)), LogGroupNames: []string{group}, QueryString: aws.String(definition.Text("query_string")),
		})
		harness.Must(t, put, err)
	}
}

// flow is a flow log in AWS's default format (https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html).
func flow(source, action string) string {
	return "2 123456789012 eni-1 " + source + " 10.0.3.7 49152 22 6 1 40 1 2 " + action + " OK"
}

func TestSavedQueriesAreRun(t *testing.T) {
	start(t, local.Options{})
	blocked := `{"action": "BLOCK", "terminatingRuleId": "rate", "httpRequest": {"clientIp": "203.0.113.7", "uri": "/login"}}`
	e := newLogs(t,
		logged{logGroup, instanceA + "/boot", 90, "boot failed: MONGO_URI is missing"},
		logged{logGroup, instanceA + "/boot", 90, "started"},
		logged{logGroup, instanceA + "/" + newTag, 80, `{"level":"ERROR","msg":"request"}`},
		logged{logGroup, instanceA + "/" + newTag, 70, `{"level":"INFO","msg":"request"}`},
		logged{logGroup, instanceA + "/" + newTag, 5000, `{"level":"ERROR","msg":"too old"}`},
		logged{accessGroup, "lb", 60, `{"elb_status_code": 502, "target_status_code": "-", "target_processing_time": -1, "request_line": "GET /a"}`},
		logged{accessGroup, "lb", 50, `{"elb_status_code": 502, "target_status_code": "-", "target_processing_time": -1, "request_line": "GET /a"}`},
		logged{accessGroup, "lb", 40, `{"elb_status_code": 200, "target_status_code": "200", "target_processing_time": 1.5, "request_line": "GET /b"}`},
		logged{flowGroup, "eni", 30, flow("203.0.113.7", "REJECT")},
		logged{flowGroup, "eni", 30, flow("203.0.113.8", "ACCEPT")},
		logged{viewerGroup, "cf", 30, `{"sc-status": "403", "cs-method": "GET", "cs-uri-stem": "/x", "x-edge-detailed-result-type": "Error"}`},
		logged{viewerGroup, "cf", 30, `{"sc-status": "200", "cs-method": "GET", "cs-uri-stem": "/", "x-edge-detailed-result-type": "Hit"}`},
		logged{edgeGroup, "waf", 30, blocked}, logged{edgeGroup, "waf", 30, `{"action": "ALLOW"}`}, logged{originGroup, "waf", 30, blocked},
	)
	_, err := e.SavedQuery(t.Context(), "server-errors")
	harness.Equal(t, "error without queries", errorText(err), "staging has no saved queries: deploy it first")
	putSavedQueries(t)

	queries, err := e.SavedQueries(t.Context())
	harness.Must(t, 0, err)
	var names []string
	for _, q := range queries {
		names = append(names, q.Name)
		harness.Equal(t, "region of "+q.Name, q.Region, logRegion(q.LogGroups[0]))
	}
	blockedRows := []string{"terminatingRuleId=rate httpRequest.clientIp=203.0.113.7 httpRequest.uri=/login requests=1"}
	want := map[string][]string{ // without the time
		"backend-errors":          {"@logStream=" + instanceA + "/" + newTag + ` @message={"level":"ERROR","msg":"request"}`},
		"boot-failures":           {"@logStream=" + instanceA + "/boot @message=boot failed: MONGO_URI is missing"},
		"server-errors":           {"elb_status_code=502 target_status_code=- request_line=GET /a requests=2"},
		"slow-requests":           {"target_processing_time=1.5 elb_status_code=200 request_line=GET /b", "target_processing_time=-1 elb_status_code=502 request_line=GET /a", "target_processing_time=-1 elb_status_code=502 request_line=GET /a"},
		"rejected-connections":    {"srcAddr=203.0.113.7 dstAddr=10.0.3.7 dstPort=22 protocol=6 records=1"},
		"viewer-errors":           {"sc-status=403 cs-method=GET cs-uri-stem=/x x-edge-detailed-result-type=Error requests=1"},
		"blocked-requests-edge":   blockedRows,
		"blocked-requests-origin": blockedRows,
	}
	harness.Equal(t, "saved queries", names, slices.Sorted(maps.Keys(want)))
	for _, q := range queries {
		now := time.Now()
		result, err := e.RunQuery(t.Context(), q, now.Add(-time.Hour), now)
		harness.Must(t, 0, err)
		var rows []string
		for _, row := range result.Rows {
			var cells []string
			for _, field := range result.Fields {
				if field != "@timestamp" {
					cells = append(cells, field+"="+row[field])
				}
			}
			rows = append(rows, strings.Join(cells, " "))
		}
		harness.Equal(t, "rows of "+q.Name, rows, want[q.Name])
		if result.Scanned == 0 || result.Bytes == 0 {
			t.Errorf("%s has no statistics: %+v", q.Name, result)
		}
	}

	_, err = e.SavedQuery(t.Context(), "errors")
	harness.Equal(t, "error", errorText(err), `"errors" is not a saved query of staging; allowed: `+strings.Join(names, ", "))
	wrong := queries[0]
	wrong.Query = "drop everything"
	_, err = e.RunQuery(t.Context(), wrong, time.Now(), time.Now())
	harness.Equal(t, "error of a wrong query", errorText(err), "start the query "+wrong.Name+": MalformedQueryException: unknown command drop")
}

// A query that does not end well, on a server that only has queries.
func TestFailedQueriesAreExplained(t *testing.T) {
	for status, want := range map[string]string{
		"Failed":  "the query errors is Failed; --since with a shorter time reads less",
		"Timeout": "the query errors is Timeout; --since with a shorter time reads less",
		"Running": "context canceled", // by an interrupt, which stops the query
	} {
		t.Run(status, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var calls []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
				if calls = append(calls, call); len(calls) == 3 {
					cancel()
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				answers := map[string]string{"StartQuery": `{"queryId": "1"}`, "GetQueryResults": `{"status": "` + status + `"}`, "StopQuery": `{"success": true}`}
				fmt.Fprint(w, answers[call])
			}))
			t.Cleanup(server.Close)
			t.Setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", server.URL)
			t.Setenv("AWS_ACCESS_KEY_ID", "a")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
			_, err := open(t, nil).RunQuery(ctx, operate.SavedQuery{Name: "errors", LogGroups: []string{logGroup}, Region: region}, time.Now(), time.Now())
			harness.Equal(t, "error", errorText(err), want)
			wanted := []string{"StartQuery", "GetQueryResults"}
			if status == "Running" {
				wanted = append(wanted, "GetQueryResults", "StopQuery")
			}
			harness.Equal(t, "calls", calls, wanted)
		})
	}
}
