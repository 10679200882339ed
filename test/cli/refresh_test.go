package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

const groupName = "starttech-production-backend"

// startRefreshes starts a server that answers STS, and Auto Scaling with the states of the newest instance refresh, "STATUS REASON",
// one for each call. The last one stays; without any, there is no refresh. onLast is called before the last one is sent.
func startRefreshes(t *testing.T, onLast func(), states ...string) string {
	t.Helper()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "DescribeInstanceRefreshes" {
			writeIdentity(w, "123456789012")
			return
		}
		if group, scope := r.FormValue("AutoScalingGroupName"), r.Header.Get("Authorization"); group != groupName || !strings.Contains(scope, "/eu-west-1/autoscaling/") {
			t.Errorf("the call is for %q, signed with %q", group, scope)
		}
		w.Header().Set("Content-Type", "text/xml")
		member := ""
		if len(states) > 0 {
			call := min(int(calls.Add(1)), len(states))
			if call == len(states) {
				onLast()
			}
			status, reason, _ := strings.Cut(states[call-1], " ")
			member = fmt.Sprintf(`<member><InstanceRefreshId>1234</InstanceRefreshId><Status>%s</Status><StatusReason>%s</StatusReason>
				<PercentageComplete>50</PercentageComplete></member>`, status, reason)
		}
		fmt.Fprintf(w, `<DescribeInstanceRefreshesResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><DescribeInstanceRefreshesResult>
			<InstanceRefreshes>%s</InstanceRefreshes></DescribeInstanceRefreshesResult></DescribeInstanceRefreshesResponse>`, member)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// newDeployed returns a checkout in which production is deployed, with a group.
func newDeployed(t *testing.T) (c checkout, outputs map[string]string) {
	t.Helper()
	c, outputs = newCheckout(t), map[string]string{"auto_scaling_group_name": groupName}
	c.deploy(t, outputs)
	return c, outputs
}

// Another refresh is the newest one, as soon as the command's own has started.
func TestRefreshFollowsItsOwn(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.FormValue("Action") == "StartInstanceRefresh":
			fmt.Fprint(w, `<StartInstanceRefreshResponse><StartInstanceRefreshResult><InstanceRefreshId>own</InstanceRefreshId></StartInstanceRefreshResult></StartInstanceRefreshResponse>`)
		case r.FormValue("Action") == "DescribeInstanceRefreshes":
			id, status := r.FormValue("InstanceRefreshIds.member.1"), "Successful"
			if id != "own" {
				id, status = "another", "Failed"
			}
			fmt.Fprintf(w, `<DescribeInstanceRefreshesResponse><DescribeInstanceRefreshesResult><InstanceRefreshes><member><InstanceRefreshId>%s</InstanceRefreshId>
				<Status>%s</Status></member></InstanceRefreshes></DescribeInstanceRefreshesResult></DescribeInstanceRefreshesResponse>`, id, status)
		default:
			writeIdentity(w, "123456789012")
		}
	}))
	t.Cleanup(server.Close)
	c := newCheckout(t)
	c.env["AWS_ENDPOINT_URL"] = server.URL
	c.write(t, "outputs.json", `{"auto_scaling_group_name": "`+groupName+`"}`)
	for _, command := range []string{"refresh", "instances replace --all"} {
		c.mustRun(t, command+" --env production --outputs outputs.json", "The instance refresh own is Successful")
	}
}

func TestDeployFollowsInstanceRefresh(t *testing.T) {
	t.Parallel()
	const (
		step   = "Replace the instances ..."
		advice = `; docs/runbook.md says what to do: "A deploy's instance refresh fails"`
		failed = "starttech-production-backend: the instance refresh 1234 is Failed: no instance is healthy" + advice
	)
	for name, test := range map[string]struct {
		unchanged bool // the plan has no changes
		states    []string
		waits     bool
		err       string // the end of the output; empty: the deploy succeeds
	}{
		"none":                             {},
		"none, no changes":                 {unchanged: true},
		"success":                          {states: []string{"Pending", "InProgress", "Baking", "Successful"}, waits: true},
		"success before":                   {states: []string{"Successful"}},
		"failure":                          {states: []string{"InProgress", "Failed no instance is healthy"}, waits: true, err: "Replace the instances: " + failed},
		"failure before, no changes":       {unchanged: true, states: []string{"Failed no instance is healthy"}, err: failed},
		"cancellation":                     {states: []string{"InProgress", "Cancelling", "Cancelled by a user"}, waits: true, err: "1234 is Cancelled: by a user" + advice},
		"rollback":                         {states: []string{"RollbackInProgress", "RollbackSuccessful"}, waits: true, err: "1234 is RollbackSuccessful: AWS gives no reason" + advice},
		"in progress, no changes":          {unchanged: true, states: []string{"InProgress", "Successful"}, waits: true},
		"in progress, failure, no changes": {unchanged: true, states: []string{"InProgress", "Failed no instance is healthy"}, waits: true, err: failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, outputs := newDeployed(t)
			c.env["CI"], c.env["AWS_ENDPOINT_URL"] = "true", startRefreshes(t, func() {}, test.states...)
			c.writeCdktf(t, "")
			if !test.unchanged {
				c.writeStack(t, "b", outputs)
			}
			output, isFailure := c.run(t, "deploy --env production")
			equal(t, "fails", isFailure, test.err != "")
			equal(t, "is deployed", strings.Contains(output, "production is deployed."), test.err == "" && !test.unchanged)
			equal(t, "waits", strings.Contains(output, step), test.waits)
			if !strings.HasSuffix(strings.TrimSpace(output), test.err) {
				t.Errorf("the output is\n%s\nwant it to end with %s", output, test.err)
			}
		})
	}
}

func TestDeployAtTerminalShowsPercentage(t *testing.T) {
	t.Parallel()
	c, outputs := newDeployed(t)
	c.env["AWS_ENDPOINT_URL"] = startRefreshes(t, func() {}, "InProgress", "InProgress", "Failed no instance is healthy")
	c.writeStack(t, "b", outputs)
	screen, status := c.runAtTerminal(t, 100, "deploy --env production", "yes\n")
	equal(t, "status", status, 1)
	has(t, "screen", screen, " s    50 % replaced", " failed after ", "is Failed: no instance is healthy; docs/runbook.md",
		"\nFix that and run make deploy ENV=production again to continue\n")
	if strings.Contains(screen, "Terraform's output") {
		t.Errorf("the screen names the output of Terraform:\n%s", screen)
	}
}

func TestInterruptedDeployLeavesInstanceRefresh(t *testing.T) {
	t.Parallel()
	c, _ := newDeployed(t)
	c.env["CI"] = "true"
	started := make(chan *os.Process, 1)
	c.env["AWS_ENDPOINT_URL"] = startRefreshes(t, func() {
		select {
		case process := <-started:
			check(t, process.Signal(os.Interrupt))
		default:
		}
	}, "InProgress", "InProgress")
	command := c.command(t, "deploy --env production")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	check(t, command.Start())
	started <- command.Process
	if err := command.Wait(); err == nil {
		t.Error("the interrupted deploy has succeeded")
	}
	has(t, "output", output.String(), "Replace the instances ... ", " interrupted after ", "\ninterrupted by SIGINT; run the command again to continue; the instance refresh continues on AWS\n")
}
