package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxName is what the tightest of the names made from an environment's leaves for it: a target group has at most
// 32 characters (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html),
// and its name is starttech-NAME-backend.
const maxName = 32 - len(Project+"-") - len("-backend")

// nameForm suits every name made from it: bucket, load balancer, replication group, role, log group.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// checkRules reports what is wrong across keys. Blocks that the schema has found wrong stand at their defaults, which
// break no rule; the network is held against the region, so it has to wait for that.
func (d *document) checkRules(e Environment, wrong map[string]bool) {
	d.checkName(e)
	if !wrong["region"] && !wrong["network"] {
		d.checkNetwork(e)
	}
	d.checkBackend(e.Backend)
	d.checkCache(e.Cache)
	d.checkFrontend(e.Frontend)
	d.checkMonitoring(e.Monitoring)
}

func (d *document) checkName(e Environment) {
	switch {
	case !nameForm.MatchString(e.Name):
		d.mistake(nil, "", fmt.Sprintf("%q is no name for an environment; allowed: small letters, digits and single hyphens, a letter first", e.Name))
	case len(e.Name) > maxName:
		d.mistake(nil, "", fmt.Sprintf("%q has %d characters; allowed: %d, because AWS ends the target group's name %q at 32", e.Name, len(e.Name), maxName, e.Prefix()+"-backend"))
	case e.Name == BootstrapStack || strings.HasPrefix(e.Name, BootstrapStack+"-"):
		d.mistake(nil, "", fmt.Sprintf("%q is the name of the stack that keeps the state; call the environment something else", e.Name))
	}
}

// subnet is a range with the place in the file that names it.
type subnet struct {
	path   string
	prefix netip.Prefix
}

func (d *document) checkNetwork(e Environment) {
	n := e.Network
	vpc := netip.MustParsePrefix(n.CIDR) // the schema's format has passed
	d.checkSize("network.cidr", vpc)

	var subnets []subnet
	seen := map[string]int{}
	for i, zone := range n.AvailabilityZones {
		at := "network.availabilityZones[" + strconv.Itoa(i) + "]"
		if zone.Name[:len(zone.Name)-1] != e.Region {
			d.mistakeAt(at+".name", fmt.Sprintf("%q is not an Availability Zone of region %s", zone.Name, e.Region))
		}
		if first, twice := seen[zone.Name]; twice {
			d.mistakeAt(at+".name", fmt.Sprintf("%q stands twice; it is also item %d", zone.Name, first+1))
		}
		seen[zone.Name] = i
		subnets = append(subnets,
			subnet{at + ".publicCidr", netip.MustParsePrefix(zone.PublicCIDR)},
			subnet{at + ".privateCidr", netip.MustParsePrefix(zone.PrivateCIDR)})
	}
	for i, s := range subnets {
		d.checkSize(s.path, s.prefix)
		if !vpc.Contains(s.prefix.Addr()) || s.prefix.Bits() < vpc.Bits() {
			d.mistakeAt(s.path, fmt.Sprintf("%s is not inside the VPC's range %s", s.prefix, vpc))
		}
		for _, other := range subnets[:i] {
			if s.prefix.Overlaps(other.prefix) {
				d.mistakeAt(s.path, fmt.Sprintf("%s overlaps %s of %s", s.prefix, other.prefix, other.path))
			}
		}
	}

	if n.NATGateways == "none" && !n.InterfaceEndpoints {
		d.mistakeAt("network.natGateways", `"none" leaves the instances without a way to ECR, CloudWatch and Systems Manager; set network.interfaceEndpoints to true, or allow single or per-az`)
	}
	for i, cidr := range n.SSHCIDRs {
		if netip.MustParsePrefix(cidr).Bits() < 8 { // two halves of everything are everything
			d.mistakeAt("network.sshCidrs["+strconv.Itoa(i)+"]", fmt.Sprintf("%q opens SSH to everybody; allowed: the ranges of your own networks, /8 or smaller", cidr))
		}
	}
}

// checkSize holds a range to what a VPC and a subnet may have
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html).
func (d *document) checkSize(path string, prefix netip.Prefix) {
	if prefix.Bits() < 16 || prefix.Bits() > 28 {
		d.mistakeAt(path, fmt.Sprintf("%s has a /%d netmask; allowed: /16 to /28", prefix, prefix.Bits()))
	}
}

// arm64 is the instance types with AWS's own processors: a g behind the generation, t4g, c7gn
// (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html), and the first of them, a1.
var arm64 = regexp.MustCompile(`^([a-z]+[0-9]+g|a1\.)`)

func (d *document) checkBackend(b Backend) {
	if arm64.MatchString(b.InstanceType) {
		d.mistakeAt("backend.instanceType", fmt.Sprintf("%q has an arm64 processor; allowed: x86_64 types, which the backend's images are built for", b.InstanceType))
	}
	if b.MinSize > b.MaxSize {
		d.mistakeAt("backend.minSize", fmt.Sprintf("%d is more than maxSize, %d", b.MinSize, b.MaxSize))
	} else if b.DesiredCapacity < b.MinSize || b.DesiredCapacity > b.MaxSize {
		d.mistakeAt("backend.desiredCapacity", fmt.Sprintf("%d is not between minSize, %d, and maxSize, %d", b.DesiredCapacity, b.MinSize, b.MaxSize))
	}
}

func (d *document) checkCache(c Cache) {
	d.checkWindow("cache.maintenanceWindow", c.MaintenanceWindow)
	d.checkWindow("cache.snapshotWindow", c.SnapshotWindow)

	// ElastiCache refuses windows that overlap on any day, counted here from Monday's midnight, a week's end included.
	const week = 7 * 24 * time.Hour
	from, length := span(c.MaintenanceWindow, week)
	for day := range 8 {
		daily, dailyLength := span(c.SnapshotWindow, 24*time.Hour)
		for _, start := range []time.Duration{from, from + week} {
			if at := daily + time.Duration(day)*24*time.Hour; at < start+length && start < at+dailyLength {
				d.mistakeAt("cache.snapshotWindow", fmt.Sprintf("%q overlaps the maintenance window %q", c.SnapshotWindow, c.MaintenanceWindow))
				return
			}
		}
	}
}

// span is the begin and the length of a window in a day or a week.
func span(window string, round time.Duration) (begin, length time.Duration) {
	from, to, _ := strings.Cut(window, "-")
	begin, length = clock(from), clock(to)-clock(from)
	if length < 0 {
		length += round
	}
	return begin, length
}

// weekdays in the words of ElastiCache.
var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// checkWindow holds a window to at least an hour
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html).
func (d *document) checkWindow(path, window string) {
	round := 24 * time.Hour
	if strings.Count(window, ":") == 4 { // days of the week on both sides
		round = 7 * 24 * time.Hour
	}
	if _, length := span(window, round); length < time.Hour {
		d.mistakeAt(path, fmt.Sprintf("%q is %s long; allowed: at least an hour", window, length))
	}
}

// clock is the time since midnight, or since Monday's midnight where a weekday stands before it.
func clock(text string) time.Duration {
	var day time.Duration
	if name, rest, ok := strings.Cut(text, ":"); ok && slices.Contains(weekdays, name) {
		day, text = time.Duration(slices.Index(weekdays, name))*24*time.Hour, rest
	}
	hours, minutes, _ := strings.Cut(text, ":")
	h, _ := strconv.Atoi(hours) // the schema's pattern has passed
	m, _ := strconv.Atoi(minutes)
	return day + time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
}

func (d *document) checkFrontend(f Frontend) {
	for i, pattern := range f.APIPaths {
		for _, file := range []string{"/", "/index.html", AssetsPath + "app.js"} {
			if Forwards(pattern, file) {
				d.mistakeAt("frontend.apiPaths["+strconv.Itoa(i)+"]", fmt.Sprintf("%q takes %s away from the site; allowed: the paths of the API", pattern, file))
				break
			}
		}
	}
}

// Forwards tells whether a path pattern of CloudFront takes a path: * is any characters, ? is one
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html).
func Forwards(pattern, path string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^" + expression + "$").MatchString(path)
}

// checkMonitoring refuses addresses that differ only in punctuation: their subscriptions would have one id.
func (d *document) checkMonitoring(m Monitoring) {
	seen := map[string]int{}
	for i, email := range m.AlarmEmails {
		word := Word(email)
		if first, twice := seen[word]; twice {
			d.mistakeAt("monitoring.alarmEmails["+strconv.Itoa(i)+"]", fmt.Sprintf("%q differs from item %d only in punctuation", email, first+1))
		}
		seen[word] = i
	}
}

// checkTogether reports what is wrong between files: the environments of an account share its bootstrap stack.
func checkTogether(documents []*document, environments []Environment) {
	byName, byAccount, byDomain := map[string]int{}, map[string]int{}, map[string]int{}
	for i, e := range environments {
		d := documents[i]
		if first, ok := byName[e.Name]; ok {
			d.mistake(nil, "", fmt.Sprintf("environment %q is already defined by %s", e.Name, documents[first].file))
			continue
		}
		byName[e.Name] = i
		if len(d.mistakes) > 0 {
			continue
		}
		if e.Domain != nil {
			if first, ok := byDomain[e.Domain.Name]; ok {
				d.mistakeAt("domain.name", fmt.Sprintf("%q is already the name of %s", e.Domain.Name, documents[first].file))
			}
			byDomain[e.Domain.Name] = i
		}
		first, ok := byAccount[e.Account]
		if !ok {
			byAccount[e.Account] = i
			continue
		}
		other := environments[first]
		if e.Region != other.Region {
			d.mistakeAt("region", fmt.Sprintf("%q differs from %q of %s; the environments of an account keep their state in one region", e.Region, other.Region, documents[first].file))
		}
		if e.Repository != other.Repository {
			d.mistakeAt("repository", fmt.Sprintf("%q differs from %q of %s; the environments of an account are deployed from one repository", e.Repository, other.Repository, documents[first].file))
		}
		if e.OIDCProvider != other.OIDCProvider {
			d.mistakeAt("oidcProvider", fmt.Sprintf("%q differs from %q of %s; the environments of an account share one provider", e.OIDCProvider, other.OIDCProvider, documents[first].file))
		}
	}
}
