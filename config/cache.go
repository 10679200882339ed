package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cache is the ElastiCache replication group.
type Cache struct {
	// ElastiCache node type.
	//
	// AWS's names: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheNodes.SupportedTypes.html.
	NodeType string `json:"nodeType" jsonschema:"pattern=^cache\\.[a-z0-9]+\\.[a-z0-9]+$" change:"interrupts: connections to Redis end for seconds, when the new nodes take over; without a replica, for minutes"`
	// Redis OSS, or Valkey, which speaks the same protocol, and costs a fifth less.
	//
	// AWS upgrades a group from Redis OSS to Valkey in place (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/VersionManagement.HowTo.html),
	// with its default parameters, but no group back (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Replication.Modify.html). So the provider
	// replaces it. Metrics and alarms are the same (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.Redis.html). The price:
	// https://aws.amazon.com/elasticache/pricing/. There is no key for the cluster mode, whose protocol the backend's client does not speak.
	Engine string `json:"engine" jsonschema:"enum=redis,enum=valkey" change:"interrupts: redis to valkey, connections end for seconds. valkey to redis is refused: Redis is protected."`
	// Version of the engine, in quotes: 7.0 or 7.1 of redis; 7.2, 8.0, 8.1 or 8.2 of valkey, by default 8.0.
	//
	// The newest of AWS's versions (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html). Those before 7
	// cannot change transitEncryption (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/in-transit-encryption.html).
	EngineVersion string `json:"engineVersion" jsonschema:"enum=7.0,enum=7.1,enum=7.2,enum=8.0,enum=8.1,enum=8.2" change:"interrupts: upwards, connections to Redis end for seconds. Downwards is refused: Redis is protected."`
	// Read replicas; one or more turns on automatic failover and Multi-AZ.
	//
	// AWS's limit: https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html.
	Replicas int `json:"replicas" jsonschema:"minimum=0,maximum=5" change:"free: more. With fewer, those who read from a replica lose their connection."`
	// Days that a daily snapshot is kept; 0 turns snapshots off.
	//
	// AWS's limit: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-automatic.html.
	SnapshotRetentionDays int `json:"snapshotRetentionDays" jsonschema:"minimum=0,maximum=35" change:"free: but 0 to more fails in the middle of the deploy if the node 001 is gone, after a failover and replicas 1 to 0. Then first set replicas to 1, which creates it again."`
	// Snapshot that Redis was created from. An automatic one is copied first: aws elasticache copy-snapshot.
	//
	// AWS deletes the automatic snapshots of a group, automatic.NAME, together with it
	// (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-automatic.html), and a restore replaces the group. The pattern is that of manual
	// ones, and the maximum is this project's.
	RestoreFrom string `json:"restoreFrom,omitempty" jsonschema:"pattern=^[a-z][a-z0-9]*(-[a-z0-9]+)*$,maxLength=64" change:"refused: Redis is protected, and a restore replaces it. Without deletionProtection, a deploy replaces it by the snapshot; deploy bootstrap first, for the roles. The key then stays: a deploy refuses its removal, which would replace Redis by an empty one."`
	// Name of a last snapshot, which a destroy takes of Redis before it deletes it. Deploy it before the destroy.
	//
	// The name has to be new: AWS refuses the destroy if there is a snapshot of that name
	// (https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DeleteReplicationGroup.html). The limits are restoreFrom's.
	FinalSnapshot string `json:"finalSnapshot,omitempty" jsonschema:"pattern=^[a-z][a-z0-9]*(-[a-z0-9]+)*$,maxLength=64" change:"free: deploy bootstrap first, for the roles"`
	// preferred accepts clients with and without TLS; required refuses the backend's client, which does not support TLS. Change via
	// preferred: off, preferred, required.
	//
	// AWS's modes, and their order: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/in-transit-encryption-enable.html.
	TransitEncryption string `json:"transitEncryption" jsonschema:"enum=off,enum=preferred,enum=required" change:"interrupts: off to preferred gives Redis another name, and keeps the old one; the next deploy replaces the instances, which then use the new name. preferred to required ends the backend's connections for good, and the old name: deploy twice before. off to required is refused: set preferred first."`
	// Authentication: Redis accepts only clients with the rotated password, by TLS.
	//
	// Costs: $0.40 a month, for a secret.
	//
	// Needs: secrets; transitEncryption: required; a backend that connects to Redis by TLS, with REDIS_PASSWORD.
	//
	// Check: aws elasticache describe-users says that the user has a password; the backend's log has no error of Redis.
	Auth bool `json:"auth" change:"interrupts: clients without the password are refused from then on, until the deploy has replaced the instances. Deploy bootstrap first, for the roles." removal:"interrupts: Redis refuses clients that send a password, until the instances are replaced"`
	// Weekly window in UTC, at least an hour: sun:03:00-sun:04:00.
	MaintenanceWindow string `json:"maintenanceWindow" jsonschema:"pattern=^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$" change:"free"`
	// Daily window in UTC, at least an hour: 01:00-02:00.
	SnapshotWindow string `json:"snapshotWindow" jsonschema:"pattern=^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$" change:"free"`
}

// CPUMetric returns the metric of the processor that the engine uses, and the percentage that AWS suggests as a threshold. The engine uses one
// core. AWS recommends EngineCPUUtilization for nodes with four cores or more, which are xlarge or larger, and otherwise CPUUtilization with a
// threshold of 90 divided by the number of cores
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.WhichShouldIMonitor.html).
func (c Cache) CPUMetric() (name string, percent float64) {
	switch {
	case strings.Contains(c.NodeType, "xlarge"):
		return "EngineCPUUtilization", 90
	case c.NodeType == "cache.t2.micro" || c.NodeType == "cache.t2.small": // the only nodes with one core
		return "CPUUtilization", 90
	}
	return "CPUUtilization", 45
}

func defaultCache() Cache {
	return Cache{
		NodeType:              "cache.t3.micro",
		Engine:                "redis",
		EngineVersion:         "7.1",
		Replicas:              1,
		SnapshotRetentionDays: 7,
		TransitEncryption:     "preferred",
		MaintenanceWindow:     "sun:03:00-sun:04:00",
		SnapshotWindow:        "01:00-02:00",
	}
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// engineVersions are the versions of each engine.
var engineVersions = map[string][]string{
	"redis":  {"7.0", "7.1"},
	"valkey": {"7.2", "8.0", "8.1", "8.2"},
}

// valkeyVersion is engineVersion's default with Valkey.
const valkeyVersion = "8.0"

// previousGenerations are the families of which AWS creates no new groups
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html). One of them, t1, has no snapshots.
var previousGenerations = []string{"c1", "m1", "m2", "m3", "r3", "t1"}

// checkNodeType refuses node types of which AWS creates no group with these keys.
func (c Cache) checkNodeType(at place) {
	family := strings.Split(c.NodeType, ".")[1] // the schema's pattern has accepted it
	switch {
	case slices.Contains(previousGenerations, family):
		at.problem("%q is of a previous generation, of which AWS creates no new nodes; allowed: current ones, as cache.t4g.micro", c.NodeType)
	case family == "r6gd":
		// https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/data-tiering.html
		at.problem("%q needs data tiering, which this project does not have; allowed: types without an SSD, as cache.r6g.large", c.NodeType)
	}
}

func (c Cache) check(at place, e Environment) {
	c.checkNodeType(at.key("nodeType"))
	if versions := engineVersions[c.Engine]; !slices.Contains(versions, c.EngineVersion) {
		at.key("engineVersion").problem("%q is not a version of %s; allowed: %s", c.EngineVersion, c.Engine, strings.Join(versions, ", "))
	}
	if c.Auth && e.Secrets == nil {
		at.key("auth").problem("the password is a rotated secret; set secrets as well, or remove auth")
	}
	// ElastiCache accepts user groups only with TLS (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html).
	if c.Auth && c.TransitEncryption != "required" {
		at.key("auth").problem("the password needs TLS; set transitEncryption, %s, to required", at.key("transitEncryption").other(strconv.Quote(c.TransitEncryption)))
	}
	if c.FinalSnapshot != "" && c.FinalSnapshot == c.RestoreFrom {
		at.key("finalSnapshot").problem("%q is the snapshot of restoreFrom, which exists; AWS refuses the destroy: name a new one", c.FinalSnapshot)
	}
	maintenance, snapshot := parseWindow(c.MaintenanceWindow, week), parseWindow(c.SnapshotWindow, day)
	checkLength(at.key("maintenanceWindow"), c.MaintenanceWindow, maintenance)
	checkLength(at.key("snapshotWindow"), c.SnapshotWindow, snapshot)

	if c.SnapshotRetentionDays == 0 {
		return // without snapshots, ElastiCache does not get their window
	}
	// ElastiCache refuses windows that overlap on any day (https://github.com/hashicorp/terraform/issues/17247). A maintenance window that
	// crosses the end of the week also begins a week earlier.
	for i := range 8 {
		start := snapshot.start + time.Duration(i)*day
		for _, other := range []time.Duration{maintenance.start, maintenance.start + week} {
			if start < other+maintenance.length && other < start+snapshot.length {
				at.key("snapshotWindow").problem("%q overlaps the maintenance window, %s", c.SnapshotWindow, at.key("maintenanceWindow").other(strconv.Quote(c.MaintenanceWindow)))
				return
			}
		}
	}
}

// window is a time span that repeats.
type window struct {
	start  time.Duration // since midnight, or since Monday's midnight
	length time.Duration
}

// parseWindow reads a window that the schema's pattern has accepted. It repeats after period, a day or a week.
func parseWindow(text string, period time.Duration) window {
	from, to, _ := strings.Cut(text, "-")
	w := window{start: clock(from), length: clock(to) - clock(from)}
	if w.length < 0 {
		w.length += period
	}
	return w
}

// checkLength applies ElastiCache's minimum of an hour, of the maintenance window
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html) and of the snapshot window
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-automatic.html).
func checkLength(at place, text string, w window) {
	if w.length < time.Hour {
		at.problem("%q is %s long; the minimum is 1h", text, w.length)
	}
}

// weekdays are ElastiCache's names (https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html).
var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// clock is the time since midnight, or since Monday's midnight if text begins with a weekday.
func clock(text string) time.Duration {
	var since time.Duration
	if name, rest, ok := strings.Cut(text, ":"); ok && slices.Contains(weekdays, name) {
		since, text = time.Duration(slices.Index(weekdays, name))*day, rest
	}
	hours, minutes, _ := strings.Cut(text, ":")
	h, _ := strconv.Atoi(hours) // the schema's pattern has accepted it
	m, _ := strconv.Atoi(minutes)
	return since + time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
}
