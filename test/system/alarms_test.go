package system

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// testAlarms makes each of the four alarms of the architecture document fire, by traffic. Their periods, of five and ten minutes, are
// divided by the time factor of the local AWS.
func (s *system) testAlarms(t *testing.T) {
	for _, test := range []struct {
		alarm   string
		path    string // of the requests; empty: none
		workers int    // that send one request after the other
	}{
		{"high-error-rate", "/tasks/fault?status=500", 2},
		{"high-response-time", "/tasks/fault?sleepMs=2500", 10},
		{"high-cpu", "/tasks/fault?cpuMs=1000", 32},
		{"low-request-count", "", 0},
	} {
		t.Run(test.alarm, func(t *testing.T) {
			keepAlive := s.startLoad(t) // so that low-request-count is OK
			waitFor(t, test.alarm+" fires already", func() bool { return s.alarm(t, test.alarm) == "OK" })
			keepAlive.stop()
			<-keepAlive.done
			var workers sync.WaitGroup
			defer workers.Wait()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			for range test.workers {
				workers.Go(func() {
					for ctx.Err() == nil {
						s.discard(s.request(http.MethodGet, test.path, "", nil).WithContext(ctx))
					}
				})
			}
			begin := time.Now()
			waitFor(t, test.alarm+" does not fire", func() bool { return s.alarm(t, test.alarm) == "ALARM" })
			t.Logf("%6.1f s  until %s fires", time.Since(begin).Seconds(), test.alarm)
		})
	}
	if entries := s.aws(t, "logs", "filter-log-events", "--log-group-name", s.outputs["access_log_group"], "--filter-pattern", `"/tasks/fault?status=500"`,
		"--query", "length(events)", "--output", "text"); entries == "0" {
		t.Error("the access logs of the load balancer have no entry of the requests")
	}
}

// alarm returns the state of an alarm.
func (s *system) alarm(t *testing.T, name string) string {
	t.Helper()
	return s.aws(t, "cloudwatch", "describe-alarms", "--alarm-names", "starttech-production-"+name,
		"--query", "MetricAlarms[0].StateValue", "--output", "text")
}

// discard sends a request and ignores the response.
func (s *system) discard(request *http.Request) {
	if response, err := s.client.Do(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
