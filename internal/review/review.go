// Package review is the routine maintenance of a deployed environment: it looks for what needs attention, and changes nothing. It reviews
// security groups, permissions, images, certificates, backups, alarms, sizes and, if asked, purchases.
package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/internal/awserror"
	"github.com/starttech/infrastructure/internal/operate"
)

// State is the answer of a check.
type State string

const (
	OK        State = "ok"
	Attention State = "attention"
	Unknown   State = "unknown" // AWS has no data, or could not be asked
)

// Finding is one row of a report. A check has one or more.
type Finding struct {
	Subject string `json:"subject"`
	Check   string `json:"check"`
	State   State  `json:"state"`
	Text    string `json:"finding"`
	Action  string `json:"action"` // what to do; empty if there is nothing to do
	Failed  bool   `json:"failed"` // the state is unknown, because a call of AWS failed
}

// Report is the findings, grouped by subject.
type Report struct {
	Environment string    `json:"environment"`
	Time        time.Time `json:"time"`
	Findings    []Finding `json:"findings"`
}

// Count returns the number of findings in a state.
func (r Report) Count(state State) int {
	return r.count(func(f Finding) bool { return f.State == state })
}

// CountFailed returns the number of checks that could not be made.
func (r Report) CountFailed() int { return r.count(func(f Finding) bool { return f.Failed }) }

func (r Report) count(matches func(Finding) bool) int {
	count := 0
	for _, f := range r.Findings {
		if matches(f) {
			count++
		}
	}
	return count
}

// reviewer is what the checks share.
type reviewer struct {
	*operate.Environment
	settings aws.Config
	now      time.Time

	loadBalancer func() (elbtypes.LoadBalancer, error)    // of the environment; read once
	groups       func() ([]ec2types.SecurityGroup, error) // of the environment's VPC; read once
}

// check is one question about the environment.
type check struct {
	subject, name string
	run           func(context.Context, *answer) error
}

// answer collects the findings of a check.
type answer struct{ findings []Finding }

func (a *answer) ok(format string, arguments ...any) { a.add(OK, "", format, arguments...) }

func (a *answer) unknown(format string, arguments ...any) { a.add(Unknown, "", format, arguments...) }

// attention adds a finding, and what to do.
func (a *answer) attention(action, format string, arguments ...any) {
	a.add(Attention, action, format, arguments...)
}

func (a *answer) add(state State, action, format string, arguments ...any) {
	a.findings = append(a.findings, Finding{State: state, Text: fmt.Sprintf(format, arguments...), Action: action})
}

// concurrentChecks limits the checks that run at the same time, so that AWS does not throttle them. The SDK repeats calls that it throttles
// (https://docs.aws.amazon.com/sdk-for-go/v2/developer-guide/configure-retries-timeouts.html).
const concurrentChecks = 6

// Run makes the checks. A check that fails is in the report, and does not hide the others. purchases asks Cost Explorer as well, for
// PurchasesUSD.
func Run(ctx context.Context, e *operate.Environment, purchases bool) Report {
	r := &reviewer{Environment: e, settings: e.Settings(), now: time.Now()}
	r.loadBalancer = sync.OnceValues(func() (elbtypes.LoadBalancer, error) { return r.findLoadBalancer(ctx) })
	r.groups = sync.OnceValues(func() ([]ec2types.SecurityGroup, error) { return r.findGroups(ctx) })
	checks := r.checks(purchases)
	answers := make([]answer, len(checks))
	var group errgroup.Group
	group.SetLimit(concurrentChecks)
	for i, c := range checks {
		group.Go(func() error {
			if err := c.run(ctx, &answers[i]); err != nil {
				answers[i].findings = append(answers[i].findings, failure(err))
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are findings
	report := Report{Environment: e.Name, Time: r.now}
	for i, c := range checks {
		for _, f := range answers[i].findings {
			f.Subject, f.Check = c.subject, c.name
			report.Findings = append(report.Findings, f)
		}
	}
	return report
}

func (r *reviewer) checks(purchases bool) []check {
	checks := []check{
		{"Security groups", "open to the world", r.openGroups},
		{"Security groups", "unused", r.unusedGroups},
	}
	for _, role := range r.roles() {
		checks = append(checks, check{"Permissions", role, func(ctx context.Context, a *answer) error { return r.unusedPermissions(ctx, a, role) }})
	}
	checks = append(checks,
		check{"Images", "AMI", r.ami},
		check{"Images", "scan of the release", r.imageScan},
		check{"Certificates", "expiry and renewal", r.certificates},
		check{"Backups", "Redis snapshots", r.redisSnapshots},
		check{"Backups", "Redis restore", r.redisRestore},
	)
	if r.Backup != nil {
		for _, bucket := range r.backedUp() {
			checks = append(checks,
				check{"Backups", "backup of " + bucket, func(ctx context.Context, a *answer) error { return r.recoveryPoints(ctx, a, bucket) }},
				check{"Backups", "restore of " + bucket, func(ctx context.Context, a *answer) error { return r.restores(ctx, a, bucket) }},
			)
		}
	}
	checks = append(checks,
		check{"Alarms", "recipients", r.alarms},
		check{"Sizes", "instances", r.instanceSize},
		check{"Sizes", "Redis", r.redisSize},
	)
	if purchases {
		checks = append(checks, check{"Purchases", "Savings Plans", r.savingsPlans}, check{"Purchases", "reserved Redis nodes", r.reservedNodes})
	}
	return checks
}

// failure is the finding of a check that failed.
func failure(err error) Finding {
	f := Finding{State: Unknown, Failed: true, Text: "not checked: " + err.Error()}
	var api interface{ ErrorCode() string }
	if !errors.As(err, &api) {
		return f
	}
	f.Text = "not checked: " + awserror.Plain(err).Error()
	var call *smithy.OperationError
	if errors.As(err, &call) {
		f.Text = fmt.Sprintf("not checked: %s %s: %v", call.Service(), call.Operation(), awserror.Plain(err))
	}
	// Cost Explorer is activated in its console, and has data a day later (https://docs.aws.amazon.com/cost-management/latest/userguide/ce-enable.html).
	if strings.Contains(err.Error(), "not enabled for cost explorer") || api.ErrorCode() == "DataUnavailableException" {
		return Finding{State: Unknown, Text: "Cost Explorer has no data", Action: "open Cost Explorer in the console of the account that pays, once"}
	}
	if isDenied(api.ErrorCode()) {
		f.Action = "use a role that may call it; docs/permissions.md has the actions of a review"
	}
	return f
}

// isDenied reports whether an error code means that the caller may not call the action. Services have codes of their own.
func isDenied(code string) bool {
	return strings.HasPrefix(code, "AccessDenied") || slices.Contains([]string{"AuthorizationError", "UnauthorizedOperation"}, code)
}

// days is the age of a time in whole days.
func (r *reviewer) days(then time.Time) int { return int(r.now.Sub(then) / (24 * time.Hour)) }

// day is the date of a time.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// sentence joins names, and counts those that are too many to read.
func sentence(names []string) string {
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
