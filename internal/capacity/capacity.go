// Package capacity computes what the parts of an environment can serve, from the environment file alone: the limit of each, what a load needs of
// it, the key of the file that raises it, and what that costs. It also simulates how the Auto Scaling group follows a step of the traffic.
package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/cost"
)

// Defaults of a load that has not been measured. They are assumptions (docs/decisions/evidence.md).
const (
	DefaultRequestTime     = 10 * time.Millisecond
	DefaultRequestsPerUser = 6.0 // a minute
	DefaultBootTime        = 120 * time.Second
)

// DefaultVCPUQuota and DefaultDatabaseConnections are the limits of a new AWS account, and of the smallest dedicated cluster of MongoDB Atlas.
const (
	DefaultVCPUQuota           = defaultVCPUQuota
	DefaultDatabaseConnections = atlasConnections
)

// Flags of the numbers of a load that have defaults.
const (
	requestTime         = "request-time"
	bootTime            = "boot-time"
	requestsPerUser     = "requests-per-user"
	databaseConnections = "database-connections"
	vcpuQuota           = "vcpu-quota"
)

// Load is the traffic, and what is known of the application, the account and the database.
type Load struct {
	RPS             float64       `json:"requestsPerSecond"` // 0: no particular load
	Users           float64       `json:"users,omitempty"`   // instead of RPS; 0: none
	RequestsPerUser float64       `json:"requestsPerUserAndMinute"`
	RequestTime     time.Duration `json:"-"` // of one vCPU
	BootTime        time.Duration `json:"-"` // from the launch of an instance until the container answers

	DatabaseConnections int `json:"databaseConnections"` // that a node of the database accepts
	VCPUQuota           int `json:"vcpuQuota"`           // of On-Demand Instances, in the account and region

	Assumed []string `json:"assumed"` // flags of the numbers that nobody has measured or looked up
}

// DefaultLoad is a load with the defaults, without a number of requests.
func DefaultLoad() Load {
	return Load{
		RequestsPerUser: DefaultRequestsPerUser, RequestTime: DefaultRequestTime, BootTime: DefaultBootTime,
		DatabaseConnections: DefaultDatabaseConnections, VCPUQuota: DefaultVCPUQuota,
		Assumed: []string{requestTime, bootTime, requestsPerUser, databaseConnections, vcpuQuota},
	}
}

// Check returns an error if a number is not one of a load.
func (l Load) Check() error {
	for _, number := range []struct {
		flag     string
		value    float64
		optional bool // 0 is the value of a flag that is not given
	}{
		{"rps", l.RPS, true},
		{"users", l.Users, true},
		{requestsPerUser, l.RequestsPerUser, false},
		{databaseConnections, float64(l.DatabaseConnections), false},
		{vcpuQuota, float64(l.VCPUQuota), false},
	} {
		if math.IsNaN(number.value) || number.value < 0 || number.value == 0 && !number.optional || number.value > maxNumber {
			return fmt.Errorf("%s: %v; allowed: more than 0, up to %d", number.flag, number.value, int(maxNumber))
		}
	}
	if l.RPS > 0 && l.Users > 0 {
		return fmt.Errorf("rps and users: %v and %v; allowed: one of the two", l.RPS, l.Users)
	}
	if l.RequestTime < 10*time.Microsecond || l.RequestTime > time.Minute {
		return fmt.Errorf("%s: %v; allowed: 10µs to 1m", requestTime, l.RequestTime)
	}
	if l.BootTime < time.Second || l.BootTime > time.Hour {
		return fmt.Errorf("%s: %v; allowed: 1s to 1h", bootTime, l.BootTime)
	}
	return nil
}

// maxNumber is more than any number of a load.
const maxNumber = 1e9

// rps returns the requests a second; 0: no particular load.
func (l Load) rps() float64 {
	if l.Users > 0 {
		return l.Users * l.RequestsPerUser / 60
	}
	return l.RPS
}

// Change is what raises a limit.
type Change struct {
	Key     string      `json:"key"` // of the environment file; empty: it is in none
	From    string      `json:"from,omitempty"`
	To      string      `json:"to"`
	Monthly *cost.Cents `json:"monthlyUSD,omitempty"` // at most; nil: not known
	Note    string      `json:"note,omitempty"`       // on the cost
}

// Resource is a part of an environment that has a limit.
type Resource struct {
	Name        string   `json:"name"`
	Unit        string   `json:"unit"`
	Limit       float64  `json:"limit"`
	Load        *float64 `json:"load"`        // nil: it does not follow from the file and the load
	Headroom    *float64 `json:"headroom"`    // of the limit; negative: the load is more
	SaturatesAt *float64 `json:"saturatesAt"` // requests a second; nil: it does not depend on them
	Costs       bool     `json:"costs"`       // more load costs money, and is served
	Assumed     bool     `json:"assumed"`     // the limit or the load rests on a number of Load.Assumed
	Raise       Change   `json:"raise"`
	Notes       []string `json:"notes,omitempty"`
	Sources     []Source `json:"sources"`
}

// Report is what an environment can serve.
type Report struct {
	Environment string     `json:"environment"`
	Load        Load       `json:"load"`
	RequestTime string     `json:"requestTime"`
	BootTime    string     `json:"bootTime"`
	RPS         float64    `json:"rps"`       // of the load; 0: none
	Instances   int        `json:"instances"` // that serve the load; without one, backend.maxSize
	First       string     `json:"saturatesFirst"`
	Resources   []Resource `json:"resources"` // those that saturate first come first
	Step        Step       `json:"step"`
}

// Of computes what an environment can serve.
func Of(e config.Environment, load Load) (Report, error) {
	c, err := newCalculation(e, load)
	if err != nil {
		return Report{}, err
	}
	r := Report{
		Environment: e.Name, Load: c.load, RequestTime: load.RequestTime.String(), BootTime: load.BootTime.String(),
		RPS: load.rps(), Instances: c.instances, Resources: c.resources(), Step: c.step(),
	}
	slices.SortStableFunc(r.Resources, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.used(), a.used()))
	})
	for _, resource := range r.Resources {
		if !resource.Costs {
			r.First = resource.Name
			break
		}
	}
	return r, nil
}

// rank is the requests a second at which a resource saturates: 0 if it is over its limit, and infinity if no load saturates it.
func (r Resource) rank() float64 {
	switch {
	case r.SaturatesAt != nil:
		return *r.SaturatesAt
	case r.used() > 1:
		return 0
	}
	return math.Inf(1)
}

// used is the load as a part of the limit.
func (r Resource) used() float64 {
	if r.Load == nil {
		return -1
	}
	return *r.Load / r.Limit
}

// calculation is an environment and a load.
type calculation struct {
	e         config.Environment
	load      Load
	group     Group
	vcpus     int // of an instance
	instances int // that serve the load
}

func newCalculation(e config.Environment, load Load) (calculation, error) {
	if err := load.Check(); err != nil {
		return calculation{}, err
	}
	n, err := vcpus(e.Backend.InstanceType)
	if err != nil {
		return calculation{}, err
	}
	if load.Users == 0 && e.Firewall == nil { // then it is in no result
		load.Assumed = slices.DeleteFunc(slices.Clone(load.Assumed), func(flag string) bool { return flag == requestsPerUser })
	}
	c := calculation{e: e, load: load, vcpus: n}
	c.group = Group{
		Min: e.Backend.MinSize, Max: e.Backend.MaxSize, TargetPercent: e.Backend.TargetCPUPercent, Warmup: e.Backend.WarmupSeconds,
		CheckInterval:    e.LoadBalancer.HealthCheckIntervalSeconds,
		HealthyThreshold: config.HealthyThreshold, UnhealthyThreshold: config.UnhealthyThreshold,
		PerInstance: float64(n) / load.RequestTime.Seconds(),
	}
	c.instances = e.Backend.MaxSize
	if rps := load.rps(); rps > 0 {
		c.instances = c.group.Needed(rps)
	}
	return c, nil
}

// assumes reports whether the number of a flag is an assumption.
func (c calculation) assumes(flag string) bool { return slices.Contains(c.load.Assumed, flag) }

// atTarget is the requests a second that instances serve at the scaling target.
func (c calculation) atTarget(instances int) float64 {
	return float64(instances) * c.group.PerInstance * float64(c.group.TargetPercent) / 100
}

// saturation returns the requests a second that the largest number of instances serves for which a use is in a limit. Fewer than
// backend.minSize there cannot be.
func (c calculation) saturation(limit float64, use func(instances int) float64) *float64 {
	instances := 0
	for use(instances+1) <= limit && instances < 100_000 {
		instances++
	}
	rps := c.atTarget(instances)
	if instances < c.e.Backend.MinSize {
		rps = 0
	}
	return &rps
}

// ofInstances completes a resource whose use depends on the number of instances.
func (c calculation) ofInstances(r Resource, use func(instances int) float64) Resource {
	r.SaturatesAt = c.saturation(r.Limit, use)
	return r.with(use(c.instances))
}

// with adds the load to a resource.
func (r Resource) with(load float64) Resource {
	headroom := r.Limit - load
	r.Load, r.Headroom = &load, &headroom
	return r
}
