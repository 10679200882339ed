package cli

import (
	"encoding/json"
	"testing"
)

func TestCapacityIsPrinted(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.mustRun(t, "capacity --env production", "Capacity of production, with backend.maxSize: 5 instances\n\nFirst to saturate: vCPU quota, in a deploy, at any traffic\n")
	c.mustRun(t, "capacity --env production --rps 700 --vcpu-quota 64", "First to saturate: instances' CPU, at 600 requests/s\nRaise: backend.maxSize 5 → 6 (+11.30 USD a month")
	c.mustRun(t, "capacity --users 6000", "Capacity of production at 600 requests/s (6000 users with 6 requests a minute),")
	// Half the time of a request is twice the requests, and its number is marked no more.
	c.mustRun(t, "capacity --request-time 5ms", "  1200/s        instances' CPU             1200 requests/s")
}

func TestCapacityAsJSON(t *testing.T) {
	t.Parallel()
	output, _ := newCheckout(t).run(t, "capacity --rps 500 --vcpu-quota 64 --output json")
	var report struct {
		RPS            float64
		SaturatesFirst string
		Resources      []struct{ Name string }
		Step           struct {
			Settings []struct {
				Name  string
				Worst struct{ OverloadSeconds int }
			}
		}
	}
	if err := json.Unmarshal([]byte(output), &report); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if report.RPS != 500 || report.SaturatesFirst != "instances' CPU" || len(report.Resources) != 13 {
		t.Errorf("%v requests/s, %q saturates first of %d", report.RPS, report.SaturatesFirst, len(report.Resources))
	}
	// 265 seconds until the scale-out, and 150 until the instances are healthy.
	if today := report.Step.Settings[0]; today.Name != "today" || today.Worst.OverloadSeconds != 415 {
		t.Errorf("%s: %d seconds of overload, want 415", today.Name, today.Worst.OverloadSeconds)
	}
}

func TestCapacityRefusesBadValues(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	for arguments, want := range map[string]string{
		"--rps 0":              "rps: 0; allowed: more than 0",
		"--rps -1":             "rps: -1; allowed: more than 0",
		"--rps many":           `invalid argument "many" for "--rps"`,
		"--users 0":            "users: 0; allowed: more than 0",
		"--rps 5 --users 5":    "rps and users: 5 and 5; allowed: one of the two",
		"--request-time 0":     "request-time: 0s; allowed: 10µs to 1m",
		"--env nowhere":        `"nowhere" is not a stack; the stacks are bootstrap, production, staging`,
		"--env bootstrap":      "bootstrap serves no traffic; name an environment",
		"--output yaml":        `output: "yaml" is not a format; allowed: text, json`,
		"--vcpu-quota 0 extra": `unknown command "extra"`,
	} {
		c.mustFail(t, "capacity "+arguments, want)
	}
}
