package system

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// rate is the requests a second of a load.
const rate = 50

// load is requests to a site at a constant rate, whether or not the site keeps up.
type load struct {
	stop    context.CancelFunc
	done    chan struct{}
	mutex   sync.Mutex
	ok      int
	failed  []string // one line for each request that fails or whose response is not 2xx
	times   []time.Duration
	servers map[string]int // requests by the header X-Backend
}

// login returns the session cookie of a user.
func (s *system) login(t *testing.T, name string) *http.Cookie {
	t.Helper()
	response, err := s.client.Post(s.url+"/auth/login", "application/json", strings.NewReader(fmt.Sprintf(`{"name": %q, "password": "starttech"}`, name)))
	check(t, err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || len(response.Cookies()) == 0 {
		t.Fatalf("login: %s", response.Status)
	}
	return response.Cookies()[0]
}

// startLoad starts a load: reads and writes of tasks, and the page.
func (s *system) startLoad(t *testing.T) *load {
	t.Helper()
	cookie := s.login(t, "Load")
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop, done: make(chan struct{}), servers: map[string]int{}}
	requests := []func() *http.Request{
		func() *http.Request { return s.request(http.MethodGet, "/tasks", "", cookie) },
		func() *http.Request { return s.request(http.MethodGet, "/users/me", "", cookie) },
		func() *http.Request { return s.request(http.MethodPost, "/tasks", `{"title": "under load"}`, cookie) },
		func() *http.Request { return s.request(http.MethodGet, "/ping", "", nil) },
		func() *http.Request { return s.request(http.MethodGet, "/todos", "", nil) },
	}
	go func() {
		defer close(l.done)
		var inFlight sync.WaitGroup
		ticker := time.NewTicker(time.Second / rate)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				inFlight.Wait()
				return
			case <-ticker.C:
				inFlight.Go(func() { l.send(s.client, requests[i%len(requests)]()) })
			}
		}
	}()
	return l
}

func (s *system) request(method, path, body string, cookie *http.Cookie) *http.Request {
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the paths are constants
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if cookie != nil {
		request.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	return request
}

func (l *load) send(client *http.Client, request *http.Request) {
	begin := time.Now()
	response, err := client.Do(request)
	problem := ""
	if err != nil {
		problem = err.Error()
	} else {
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			problem = err.Error()
		} else if response.StatusCode < 200 || response.StatusCode > 299 {
			problem = fmt.Sprintf("%s: %.100s", response.Status, body)
		}
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.times = append(l.times, time.Since(begin))
	if problem != "" {
		l.failed = append(l.failed, fmt.Sprintf("%s %s %s: %s", time.Now().Format("15:04:05.000"), request.Method, request.URL.Path, problem))
		return
	}
	l.ok++
	if server := response.Header.Get("X-Backend"); server != "" {
		l.servers[server]++
	}
}

// runUnderLoad runs an action under load, logs the figures, and returns the requests that failed.
func (s *system) runUnderLoad(t *testing.T, what string, action func()) []string {
	t.Helper()
	l, begin := s.startLoad(t), time.Now()
	defer l.stop()
	action()
	time.Sleep(2 * time.Second)
	l.stop()
	<-l.done
	slices.Sort(l.times)
	total, seconds := len(l.times), time.Since(begin).Seconds()
	if float64(total) < 0.8*rate*seconds || len(l.servers) < 2 {
		t.Fatalf("%s: %d requests in %.1f s, answered by %d instances; want %d a second, and two instances", what, total, seconds, len(l.servers), rate)
	}
	t.Logf("%6.1f s  %s: %d requests (%.0f a second), %d failed, %d instances, half of them in %d ms, 99 %% in %d ms",
		seconds, what, total, float64(total)/seconds, len(l.failed), len(l.servers),
		l.times[total/2].Milliseconds(), l.times[total*99/100].Milliseconds())
	return l.failed
}

// requireNoFailures is runUnderLoad, and fails the test if a request failed.
func (s *system) requireNoFailures(t *testing.T, what string, action func()) {
	t.Helper()
	if failed := s.runUnderLoad(t, what, action); len(failed) > 0 {
		t.Errorf("%s: %d requests failed:\n%s", what, len(failed), strings.Join(failed[:min(10, len(failed))], "\n"))
	}
}
