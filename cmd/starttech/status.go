package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/statelock"
)

func newStatusCommand(p *project) *cobra.Command {
	var watch bool
	var o *operation
	command := &cobra.Command{
		Use:   "status",
		Short: "Show an environment at a glance",
		Long: `Show an environment at a glance: whether the site and the API answer, healthy instances, the instance refresh, the release and the one before,
alarms, Redis, certificates, the last deploy, and the lock of the state. What could not be read is shown as unknown, with the reason.

Whether AWS differs from the code is not shown, because that needs a plan: make plan ENV=NAME.`,
		Example: "  starttech status --env production\n  starttech status --env production --watch",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return o.status(command.Context(), watch)
		},
	}
	o = newOperation(p, command)
	command.Flags().BoolVar(&watch, "watch", false, "show it again every five seconds, until an interrupt")
	return command
}

// watchInterval is the time between two looks of --watch.
const watchInterval = 5 * time.Second

// fullStatus is the status, and what the site answers.
type fullStatus struct {
	operate.Status
	Site string           `json:"site"` // the answer to /
	API  string           `json:"api"`  // the answer to the health check's path, if the site forwards it
	Lock *statelock.State `json:"state"`
}

func (o *operation) status(ctx context.Context, watch bool) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	for {
		status, err := o.readStatus(ctx, e)
		if err != nil {
			return err
		}
		if watch && o.format == formatText && term.IsTerminal(int(os.Stdout.Fd())) {
			fmt.Print("\x1b[2J\x1b[H") // clears the screen
		}
		if err := o.print(status, func(out io.Writer) { printStatus(out, e, status) }); err != nil || !watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchInterval):
		}
	}
}

func (o *operation) readStatus(ctx context.Context, e *operate.Environment) (fullStatus, error) {
	var s fullStatus
	aws, err := o.p.callersLocalAWS()
	if err != nil {
		return s, err
	}
	site, err := e.Output("site_url")
	if err != nil {
		return s, err
	}
	client := http.Client{Timeout: requestTimeout}
	if aws != nil {
		site, client.Transport = aws.SiteURL(site), aws.SiteTransport()
	}
	request := func(url string) string {
		check := siteCheck{transport: client.Transport}
		status, err := check.get(ctx, url)
		if err != nil {
			return "no answer (" + err.Error() + ")"
		}
		return statusText(status)
	}
	done := make(chan func(*fullStatus), 3)
	go func() { answer := request(site + "/"); done <- func(s *fullStatus) { s.Site = answer } }()
	go func() {
		path := e.LoadBalancer.HealthCheckPath
		answer := "not tested: " + path + " is not in frontend.apiPaths"
		if isForwarded(path, e.Frontend.APIPaths) {
			answer = request(site + path)
		}
		done <- func(s *fullStatus) { s.API = answer }
	}()
	go func() {
		state, err := e.StateLock(ctx)
		done <- func(s *fullStatus) {
			if err != nil {
				s.Unknown["state"] = err.Error()
			} else {
				s.Lock = &state
			}
		}
	}()
	s.Status = e.Status(ctx)
	for range 3 {
		(<-done)(&s)
	}
	return s, nil
}

func printStatus(out io.Writer, e *operate.Environment, s fullStatus) {
	color := term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""
	mark := func(good bool, text string) string {
		switch {
		case !color:
			return text
		case good:
			return "\x1b[32m" + text + "\x1b[0m"
		}
		return "\x1b[31m" + text + "\x1b[0m"
	}
	unknown := func(part, text string) string {
		if reason, ok := s.Unknown[part]; ok {
			return mark(false, "unknown: "+reason)
		}
		return text
	}
	healthy := 0
	for _, i := range s.Instances {
		if i.Health == "healthy" && i.Lifecycle == "InService" {
			healthy++
		}
	}
	refresh := "none in the last six weeks"
	if s.Refresh != nil {
		refresh = fmt.Sprintf("%s, %d %% replaced, started %s ago", s.Refresh.Status, s.Refresh.Percentage, age(s.Refresh.Started))
		if s.Refresh.Reason != "" {
			refresh += ": " + s.Refresh.Reason
		}
	}
	release, before := operate.NoRelease, ""
	if len(s.Releases) > 0 {
		release = fmt.Sprintf("%s, since %s, by %s", s.Releases[0].Tag, clock(s.Releases[0].Time), s.Releases[0].By)
	}
	if len(s.Releases) > 1 {
		before = fmt.Sprintf("%s, since %s", s.Releases[1].Tag, clock(s.Releases[1].Time))
	}
	frontend := "not published"
	if !s.Frontend.Modified.IsZero() {
		frontend = strings.TrimSpace(s.Frontend.Release + " published " + clock(s.Frontend.Modified))
	}
	redis := s.RedisStatus
	for _, node := range s.Redis {
		redis += fmt.Sprintf("; %s %s", node.ID, node.Role)
	}
	state := ""
	if s.Lock != nil {
		state = fmt.Sprintf("last deploy %s (serial %d), not locked", clock(s.Lock.Modified), s.Lock.Serial)
		if len(s.Lock.Locks) > 0 {
			lock := s.Lock.Locks[0]
			state = mark(false, fmt.Sprintf("locked by %s for %s (%s)", lock.Who, age(lock.Created), lock.Operation))
		}
	}
	path := e.LoadBalancer.HealthCheckPath
	api := s.API
	if isForwarded(path, e.Frontend.APIPaths) {
		api = mark(strings.HasPrefix(api, "200"), api+" at "+path)
	}
	rows := [][]string{
		{"Site", mark(strings.HasPrefix(s.Site, "200"), s.Site)},
		{"API", api},
		{"Instances", unknown("instances", mark(healthy >= s.Desired, fmt.Sprintf("%d of %d healthy; the group has %d to %d", healthy, s.Desired, s.Minimum, s.Maximum)))},
		{"Refresh", unknown("refresh", refresh)},
		{"Release", unknown("releases", release)},
		{"Before", unknown("releases", before)},
		{"Frontend", unknown("frontend", frontend)},
		{"Redis", unknown("Redis", mark(s.RedisStatus == "available", redis))},
		{"State", unknown("state", state)},
	}
	for _, c := range s.Certificate {
		rows = append(rows, []string{"Certificate", mark(c.Status == "ISSUED", fmt.Sprintf("%s in %s, until %s", c.Status, c.Region, clock(c.Expires)))})
	}
	rows = append(rows, []string{"Alarms", unknown("alarms", mark(len(s.Alarms) == 0, fmt.Sprintf("%d of %d are OK", s.AlarmCount-len(s.Alarms), s.AlarmCount)))})
	fmt.Fprintf(out, "%s at %s\n\n", e.Name, clock(time.Now()))
	table(out, rows...)
	slices.SortFunc(s.Alarms, func(a, b operate.Alarm) int { return strings.Compare(a.State+a.Name, b.State+b.Name) })
	for _, alarm := range s.Alarms {
		fmt.Fprintf(out, "  %s %s for %s\n", mark(alarm.State == "INSUFFICIENT_DATA", alarm.State), alarm.Name, age(alarm.Since))
	}
	for _, part := range slices.Sorted(maps.Keys(s.Unknown)) {
		if part == "certificates" {
			fmt.Fprintf(out, "Certificates: %s\n", unknown(part, ""))
		}
	}
}
