package harness

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Refreshes stands in for Auto Scaling, whose instance refreshes end at once on the local AWS without instances. Clients find it by
// AWS_ENDPOINT_URL_AUTO_SCALING.
type Refreshes struct {
	// Statuses of the refreshes, by their number; the first refresh is from before, and an empty list means that there is none.
	// DescribeInstanceRefreshes answers with the next status of the refresh with the ID, or of the newest one, and the last one stays.
	Statuses [][]string
	Age      time.Duration // of the first refresh
	OnStart  func()        // called before StartInstanceRefresh is answered; nil: nothing is

	mutex   sync.Mutex
	started int
	calls   []string
}

// Calls is the calls that change something: "start", "cancel".
func (r *Refreshes) Calls() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.calls)
}

func (r *Refreshes) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	action := request.FormValue("Action")
	answer := ""
	switch action {
	case "DescribeInstanceRefreshes":
		number := r.started // of the newest one
		if id := request.FormValue("InstanceRefreshIds.member.1"); id != "" {
			if _, err := fmt.Sscanf(id, "refresh%d", &number); err != nil || number > r.started {
				http.Error(w, "unexpected "+id, http.StatusBadRequest)
				return
			}
		}
		status := ""
		if of := r.Statuses[number]; len(of) > 0 {
			status = of[0]
			if len(of) > 1 {
				r.Statuses[number] = of[1:]
			}
		}
		if status != "" {
			start := ""
			if status != "Pending" {
				begin := time.Now().UTC()
				if number == 0 {
					begin = begin.Add(-r.Age)
				}
				start = "<StartTime>" + begin.Format(time.RFC3339Nano) + "</StartTime>"
			}
			answer = fmt.Sprintf(`<InstanceRefreshes><member><InstanceRefreshId>refresh%d</InstanceRefreshId><Status>%s</Status><StatusReason>a reason</StatusReason>`+
				`<PercentageComplete>50</PercentageComplete>%s</member></InstanceRefreshes>`, number, status, start)
		}
	case "StartInstanceRefresh":
		r.calls = append(r.calls, "start")
		r.started++
		if r.OnStart != nil {
			r.OnStart()
		}
		answer = fmt.Sprintf("<InstanceRefreshId>refresh%d</InstanceRefreshId>", r.started)
	case "CancelInstanceRefresh":
		r.calls = append(r.calls, "cancel")
		r.Statuses[r.started] = []string{"Cancelled"}
	default:
		http.Error(w, "unexpected "+action, http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", action, answer)
}
