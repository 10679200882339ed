package capacity

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/cost"
)

// production is the defaults, which are those of production: 2 to 5 t3.micro with 2 vCPUs, a target of 60%, /24 subnets in two zones, one NAT
// gateway, and 2 cache.t3.micro.
func production(change func(*config.Environment)) config.Environment {
	e := config.Default()
	e.Name = "production"
	if change != nil {
		change(&e)
	}
	return e
}

// at is a load of requests a second, with 10 ms of CPU each, so that an instance of 2 vCPUs serves 200 at 100% and 120 at 60%.
func at(rps float64) Load {
	load := DefaultLoad()
	load.RPS = rps
	return load
}

func report(t *testing.T, e config.Environment, load Load) Report {
	t.Helper()
	r, err := Of(e, load)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r Report) resource(t *testing.T, name string) Resource {
	t.Helper()
	for _, resource := range r.Resources {
		if resource.Name == name {
			return resource
		}
	}
	t.Fatalf("there is no %q", name)
	return Resource{}
}

func TestLimitsAndLoads(t *testing.T) {
	const unknown, fixed = -1, -1
	zones := func(cidr string) func(*config.Environment) {
		return func(e *config.Environment) {
			e.Network.AvailabilityZones = slices.Clone(e.Network.AvailabilityZones)
			e.Network.AvailabilityZones[1].PrivateCIDR = cidr
		}
	}
	for _, test := range []struct {
		name        string
		change      func(*config.Environment)
		load        Load
		resource    string
		limit       float64
		used        float64 // unknown: no load
		saturatesAt float64 // fixed: no traffic
	}{
		// 5 × 2 vCPUs × 0.6 / 0.010 s.
		{"CPU without a load", nil, at(0), "instances' CPU", 600, unknown, 600},
		{"CPU", nil, at(150), "instances' CPU", 600, 150, 600},
		{"CPU of users", nil, func() Load { l := at(0); l.Users = 1200; return l }(), "instances' CPU", 600, 120, 600}, // × 6 / 60 s
		{"CPU of a slow request", nil, func() Load { l := at(150); l.RequestTime = 25 * time.Millisecond; return l }(), "instances' CPU", 240, 150, 240},
		{"CPU of xlarge instances", func(e *config.Environment) { e.Backend.InstanceType = "m5.xlarge" }, at(150), "instances' CPU", 1200, 150, 1200},
		// 5 instances earn 12 credits an hour each, which are 5 × 12 / 60 vCPUs. 150 requests need 150 × 0.010.
		{"credits", nil, at(150), "CPU credits", 1, 1.5, 100},
		// t3.small earns 24.
		{"credits of a larger type", func(e *config.Environment) { e.Backend.InstanceType = "t3.small" }, at(150), "CPU credits", 2, 1.5, 200},
		// 5 of AWS; (3 × 5 + 1) / 2 = 8 instances in a deploy, 4 in a zone; 2 nodes, 1 in a zone. The /24 has 250 for instances, 500 in both zones,
		// of which 333 stay: (3 × 333 + 1) / 2 = 500. 333 × 120 requests.
		{"subnet at the maximum", nil, at(0), "private subnet", 256, 10, 39960},
		// 150 requests need 2 instances: (3 × 2 + 1) / 2 = 3, 2 in a zone.
		{"subnet at a load", nil, at(150), "private subnet", 256, 8, 39960},
		// The /28 has 16 - 5 - 1 = 10 in a zone, 20 in both, of which 13 stay: (3 × 13 + 1) / 2 = 20.
		{"the smallest subnet", zones("10.0.4.0/28"), at(150), "private subnet", 16, 8, 1560},
		{"subnet with endpoints", func(e *config.Environment) { e.Network.InterfaceEndpoints = true }, at(150), "private subnet", 256, 14, 39_000}, // 6 less in each zone, so 488, of which 325 stay
		// 8 instances in a deploy.
		{"targets", nil, at(0), "load balancer targets", 1000, 8, 79920},                 // (3 × 666 + 1) / 2 = 999, 666 × 120
		{"CloudFront", nil, at(150), "CloudFront", 250_000, 150, 250_000},                //
		{"database connections", nil, at(0), "database connections", 1490, 800, 1080},    // 14 in a deploy of 9: 9 × 120
		{"connections at a load", nil, at(150), "database connections", 1490, 300, 1080}, //
		{"Redis connections", nil, at(0), "Redis connections", 65_000, 160, 259_920},     // 8 × 20; 3250 in a deploy of 2166: × 120
		{"Redis memory", nil, at(0), "Redis memory", 384, unknown, fixed},                // 512 MiB, less a quarter
		{"NAT connections", nil, at(0), "NAT gateway connections", 55_000, 800, 43_920},  // 550 in a deploy of 366: × 120
		{"NAT bandwidth", nil, at(0), "NAT gateway bandwidth", 100, unknown, fixed},      //
		{"Elastic IPs", nil, at(0), "Elastic IPs", 5, 1, fixed},                          //
		{"vCPU quota at the maximum", nil, at(0), "vCPU quota", 5, 10, 240},              // 2 instances have 4
		{"vCPU quota in a deploy", nil, at(150), "vCPU quota, in a deploy", 5, 6, 0},     // 3 × 2; fewer than minSize
		{"web ACL", func(e *config.Environment) { e.Firewall = firewall() }, at(150), "web ACL", 100_000, 150, 100_000},
		{"one address", func(e *config.Environment) { e.Firewall = firewall() }, at(150), "web ACL, one address", 2000, 30, fixed}, // 6 a minute, for 5
		{"NAT in each zone", func(e *config.Environment) { e.Network.NATGateways = "per-az" }, at(0), "NAT gateway connections", 55_000, 400, 87_960},
		{"Elastic IPs of each zone", func(e *config.Environment) { e.Network.NATGateways = "per-az" }, at(0), "Elastic IPs", 5, 2, fixed},
		{"a private way to the database", func(e *config.Environment) { e.Database = &config.Database{} }, at(0), "NAT gateway connections", 55_000, 0, fixed},
		// 1 + 4 × 50% = 3 of 5 are On-Demand Instances, 2 vCPUs each. With a quota of 5, 2 are: 1 + 50% of 2 more. 3 × 120.
		{"vCPU quota with Spot Instances", func(e *config.Environment) { e.Backend.SpotPercent = 50 }, at(0), "vCPU quota", 5, 6, 360},
	} {
		r := report(t, production(test.change), test.load).resource(t, test.resource)
		used, saturatesAt, headroom := float64(unknown), float64(fixed), float64(unknown)
		if r.Load != nil {
			used, headroom = *r.Load, *r.Headroom
		}
		if r.SaturatesAt != nil {
			saturatesAt = *r.SaturatesAt
		}
		near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }
		if !near(r.Limit, test.limit) || !near(used, test.used) || !near(saturatesAt, test.saturatesAt) {
			t.Errorf("%s: limit, load, saturates at: %v, %v, %v, want %v, %v, %v", test.name, r.Limit, used, saturatesAt, test.limit, test.used, test.saturatesAt)
		}
		if r.Load != nil && !near(headroom, test.limit-test.used) {
			t.Errorf("%s: headroom %v, want %v", test.name, headroom, test.limit-test.used)
		}
	}
}

func firewall() *config.Firewall {
	return &config.Firewall{Mode: "block", RateLimit: 2000}
}

// What costs money only is not what saturates first.
func TestWhatSaturatesFirst(t *testing.T) {
	enough := at(0)
	enough.VCPUQuota = 1000
	few := enough
	few.DatabaseConnections = 500
	for _, test := range []struct {
		name   string
		change func(*config.Environment)
		load   Load
		want   string
	}{
		{"in a new account", nil, at(0), "vCPU quota, in a deploy"},
		{"with a larger quota", nil, enough, "instances' CPU"},
		{"with standard credits", func(e *config.Environment) { e.Backend.CPUCredits = "standard" }, enough, "CPU credits"},
		{"with a small database", nil, few, "database connections"},
		{"with a small subnet", func(e *config.Environment) {
			e.Backend.InstanceType, e.Network.AvailabilityZones = "m5.4xlarge", []config.Zone{
				{Name: "eu-west-1a", PrivateCIDR: "10.0.3.0/28"}, {Name: "eu-west-1b", PrivateCIDR: "10.0.4.0/28"},
			}
			e.Backend.MaxSize = 50 // which the check of the file refuses
		}, func() Load { l := enough; l.DatabaseConnections = 1e6; return l }(), "private subnet"},
	} {
		r := report(t, production(test.change), test.load)
		if r.First != test.want {
			t.Errorf("%s: %q saturates first, want %q", test.name, r.First, test.want)
		}
		if !strings.Contains(r.Text(false), "First to saturate: "+test.want+", at ") {
			t.Errorf("%s: the text does not have it:\n%s", test.name, r.Text(false))
		}
	}
}

// By hand: an instance costs 730 × 0.0114 = 8.322 a month, its volume 8 × 0.11 = 0.88 and its metrics 7 × 0.30 = 2.10. A NAT gateway costs
// 730 × 0.048 = 35.04 and its address 3.65. A cache.t3.small costs 730 × 0.018 more than a cache.t3.micro.
func TestChangesAndTheirCosts(t *testing.T) {
	threeZones := func(e *config.Environment) {
		e.Network.AvailabilityZones = append(slices.Clone(e.Network.AvailabilityZones), config.Zone{Name: "eu-west-1c", PrivateCIDR: "10.0.6.0/24"})
	}
	for _, test := range []struct {
		name         string
		change       func(*config.Environment)
		load         Load
		resource     string
		key, to      string
		cents        cost.Cents
		withoutPrice bool
	}{
		{"an instance more", nil, at(0), "instances' CPU", "backend.maxSize", "6", 1130, false},
		{"3 instances more", nil, at(961), "instances' CPU", "backend.maxSize", "9", 4521, false}, // 961 / 120 = 8.01: 4 × 11.302
		{"a larger type of 2 instances", nil, at(0), "CPU credits", "backend.instanceType", "t3.small", 1665, false},
		{"unlimited credits", func(e *config.Environment) { e.Backend.CPUCredits = "standard" }, at(0), "CPU credits", "backend.cpuCredits", "unlimited", 0, true},
		{"a zone more", nil, at(0), "private subnet", "network.availabilityZones", "3", 365, false},
		{"a zone more, with NAT", func(e *config.Environment) { e.Network.NATGateways = "per-az" }, at(0), "private subnet", "network.availabilityZones", "3", 3504 + 2*365, false},
		{"NAT in each of 3 zones", threeZones, at(0), "NAT gateway connections", "network.natGateways", "per-az", 2 * (3504 + 365), false},
		{"larger nodes", nil, at(0), "Redis memory", "cache.nodeType", "cache.t3.small", 2628, false},
		{"larger nodes of Valkey", func(e *config.Environment) { e.Cache.Engine = "valkey" }, at(0), "Redis memory", "cache.nodeType", "cache.t3.small", 2103, false},
		{"another region", func(e *config.Environment) { e.Region = "eu-central-1" }, at(0), "instances' CPU", "backend.maxSize", "6", 0, true},
	} {
		got := report(t, production(test.change), test.load).resource(t, test.resource).Raise
		if got.Key != test.key || got.To != test.to {
			t.Errorf("%s: %s to %s, want %s to %s", test.name, got.Key, got.To, test.key, test.to)
		}
		if (got.Monthly == nil) != test.withoutPrice {
			t.Errorf("%s: price %v, want none: %v", test.name, got.Monthly, test.withoutPrice)
		} else if got.Monthly != nil && *got.Monthly != test.cents {
			t.Errorf("%s: %s a month, want %s", test.name, got.Monthly, test.cents)
		}
	}
}

// A t3.micro at 60% uses 2 × 60 × 0.6 = 72 credits an hour, and earns 12. 288 / 60 = 4.8 hours. Each of 5 then costs 60 / 60 × 0.05 an hour.
//
// A t2.micro has 1 vCPU, so it uses 36 and earns 6: 144 / 30 = 4.8.
func TestCreditsLast(t *testing.T) {
	for _, test := range []struct {
		instanceType, credits string
		rps                   float64
		want                  string
	}{
		{"t3.micro", "unlimited", 0, "at 60% CPU, the 288 credits of a whole day last 4.8 hours; then AWS charges 0.25 USD* an hour for 5 instances"},
		{"t3.micro", "standard", 0, "at 60% CPU, the 288 credits of a whole day last 4.8 hours; then the CPU slows down to its baseline. A new instance has none"},
		{"t2.micro", "standard", 0, "at 60% CPU, the 144 credits of a whole day last 4.8 hours; then the CPU slows down to its baseline. A new instance has only 30 launch credits"},
		// 200 requests on 2 instances are 50%: 60 - 12 = 48 credits an hour.
		{"t3.micro", "unlimited", 200, "at 50% CPU, the 288 credits of a whole day last 6 hours; then AWS charges 0.08 USD* an hour for 2 instances"},
		{"t3.micro", "unlimited", 30, ""}, // 7.5%
	} {
		e := production(func(e *config.Environment) {
			e.Backend.InstanceType, e.Backend.CPUCredits = test.instanceType, test.credits
		})
		notes := report(t, e, at(test.rps)).resource(t, "CPU credits").Notes
		if got := strings.Join(notes[1:], "; "); got != test.want {
			t.Errorf("%s %s at %v: %q, want %q", test.instanceType, test.credits, test.rps, got, test.want)
		}
	}
	fixed := report(t, production(func(e *config.Environment) { e.Backend.InstanceType = "m5.large" }), at(0))
	if slices.ContainsFunc(fixed.Resources, func(r Resource) bool { return r.Name == "CPU credits" }) {
		t.Error("m5.large has CPU credits")
	}
}

func TestVCPUsOfInstanceTypes(t *testing.T) {
	for instanceType, want := range map[string]int{
		"t2.micro": 1, "t2.medium": 2, "t3.nano": 2, "t3.medium": 2, "t3a.xlarge": 4, "m7a.medium": 1, "m5.large": 2, "c5.4xlarge": 16, "r6i.24xlarge": 96,
		"c4.8xlarge": 36,
	} {
		if got, err := vcpus(instanceType); err != nil || got != want {
			t.Errorf("%s has %d vCPUs (%v), want %d", instanceType, got, err, want)
		}
	}
	for _, instanceType := range []string{"m5.metal", "m2.xlarge", "hpc7a.12xlarge", "m5.0xlarge", "m5.xxlarge", "m5"} {
		if got, err := vcpus(instanceType); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), `"`+instanceType+`"`) {
			t.Errorf("%s has %d vCPUs (%v), want an error of one line", instanceType, got, err)
		}
	}
	// The instance types with credits are those of which config says so.
	for instanceType := range creditsPerHour {
		if !(config.Backend{InstanceType: instanceType}).IsBurstable() {
			t.Errorf("%s has no CPU credits", instanceType)
		}
	}
}

func TestLoadsThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		change func(*Load)
		want   string
	}{
		{func(l *Load) { l.RPS = -1 }, "rps: -1; allowed: more than 0"},
		{func(l *Load) { l.RPS = math.NaN() }, "rps: NaN; allowed: more than 0"},
		{func(l *Load) { l.RPS = math.Inf(1) }, "rps: +Inf; allowed: more than 0"},
		{func(l *Load) { l.Users = -0.5 }, "users: -0.5; allowed: more than 0"},
		{func(l *Load) { l.RPS, l.Users = 1, 2 }, "rps and users: 1 and 2; allowed: one of the two"},
		{func(l *Load) { l.RequestsPerUser = 0 }, "requests-per-user: 0; allowed: more than 0"},
		{func(l *Load) { l.RequestTime = 0 }, "request-time: 0s; allowed: 10µs to 1m"},
		{func(l *Load) { l.RequestTime = -time.Second }, "request-time: -1s; allowed: 10µs to 1m"},
		{func(l *Load) { l.BootTime = 2 * time.Hour }, "boot-time: 2h0m0s; allowed: 1s to 1h"},
		{func(l *Load) { l.DatabaseConnections = 0 }, "database-connections: 0; allowed: more than 0"},
		{func(l *Load) { l.VCPUQuota = -5 }, "vcpu-quota: -5; allowed: more than 0"},
	} {
		load := DefaultLoad()
		test.change(&load)
		if _, err := Of(production(nil), load); err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// Every number has a source, and every source that is a page has its address.
func TestResourcesHaveSources(t *testing.T) {
	e := production(func(e *config.Environment) { e.Firewall = firewall(); e.Backend.CPUCredits = "standard" })
	resources := report(t, e, at(150)).Resources
	if len(resources) != 15 {
		t.Errorf("%d resources", len(resources))
	}
	for _, resource := range resources {
		if len(resource.Sources) == 0 {
			t.Errorf("%s has no source", resource.Name)
		}
		for _, source := range resource.Sources {
			isOurs := strings.HasPrefix(source.What, "--") || strings.HasSuffix(source.What, "in the environment file")
			if isOurs == strings.HasPrefix(source.URL, "https://") {
				t.Errorf("%s: the source %q has the address %q", resource.Name, source.What, source.URL)
			}
		}
		if resource.Raise.To == "" {
			t.Errorf("%s: nothing raises it", resource.Name)
		}
	}
}

// A number of the load is marked until somebody gives it.
func TestAssumptionsAreMarked(t *testing.T) {
	measured := at(150)
	measured.Assumed = []string{}
	for _, test := range []struct {
		load     Load
		resource string
		marked   bool
		legend   string
	}{
		{at(150), "instances' CPU", true, "such as --request-time 10ms, --boot-time 2m0s, --database-connections 1500, --vcpu-quota 5:"},
		{at(150), "database connections", true, ""},
		{at(150), "CloudFront", false, ""},
		{measured, "instances' CPU", false, "* rests on a number or a price that is not verified\n"},
		{measured, "vCPU quota", false, ""},
	} {
		r := report(t, production(nil), test.load)
		text := r.Text(false)
		if r.resource(t, test.resource).Assumed != test.marked || strings.Contains(text, test.resource+" * ") != test.marked {
			t.Errorf("%s is marked: %v, want %v\n%s", test.resource, !test.marked, test.marked, text)
		}
		if unwrapped := strings.Join(strings.Fields(text), " "); !strings.Contains(unwrapped, strings.TrimSpace(test.legend)) {
			t.Errorf("no %q in\n%s", test.legend, text)
		}
	}
}

func TestReportAsJSON(t *testing.T) {
	content, err := json.Marshal(report(t, production(nil), at(150)))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"environment":"production"`, `"rps":150`, `"requestTime":"10ms"`, `"instances":2`, `"saturatesFirst":"vCPU quota, in a deploy"`,
		`"key":"backend.maxSize","from":"5","to":"6","monthlyUSD":11.30`, `"overloadSeconds":`, `"headroom":-1`, `"assumed":["request-time","boot-time","database-connections","vcpu-quota"]`,
	} {
		if !strings.Contains(string(content), part) {
			t.Errorf("no %s in\n%s", part, content)
		}
	}
}
