package capacity

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/cost"
)

// monthly returns what resources cost in a month, on-demand; nil if there is no price.
func (c calculation) monthly(resources ...cost.Resource) *cost.Cents {
	estimate := cost.Of(resources)
	if cost.CheckRegion(c.e.Region) != nil || len(estimate.NoPrice) > 0 || len(estimate.NotPriced) > 0 {
		return nil
	}
	return &estimate.Total.OnDemand
}

// noteOf returns the note on a price, or that there is none.
func noteOf(monthly *cost.Cents, note string) string {
	if monthly == nil {
		return "no price"
	}
	return note
}

// difference returns what is paid more for the second; nil if one of them has no price.
func difference(before, after *cost.Cents) *cost.Cents {
	if before == nil || after == nil {
		return nil
	}
	d := *after - *before
	return &d
}

// groupCost returns what a number of instances of a type costs in a month, with volumes and detailed metrics.
func (c calculation) groupCost(instanceType string, n int) *cost.Cents {
	size := float64(n)
	return c.monthly(
		cost.Resource{Type: "aws_autoscaling_group", Address: "aws_autoscaling_group.backend", Values: map[string]any{"min_size": size, "max_size": size}},
		cost.Resource{Type: "aws_launch_template", Address: "aws_launch_template.backend", Values: map[string]any{
			"instance_type": instanceType,
			"monitoring":    map[string]any{"enabled": true},
			"block_device_mappings": []any{map[string]any{
				"ebs": map[string]any{"volume_type": "gp2", "volume_size": float64(c.e.Backend.RootVolumeGiB)},
			}},
		}},
	)
}

// nodesCost returns what the Redis nodes of a type cost in a month.
func (c calculation) nodesCost(nodeType string) *cost.Cents {
	return c.monthly(cost.Resource{Type: "aws_elasticache_replication_group", Address: "aws_elasticache_replication_group.redis", Values: map[string]any{
		"node_type": nodeType, "engine": c.e.Cache.Engine, "num_cache_clusters": float64(1 + c.e.Cache.Replicas),
	}})
}

var (
	oneAddress = cost.Resource{Type: "aws_eip", Address: "aws_eip.address"}
	oneNAT     = cost.Resource{Type: "aws_nat_gateway", Address: "aws_nat_gateway.nat"}
)

// priceOf returns the price of a use of resources, by its unit; 0 if there is none.
func priceOf(unit string, resources ...cost.Resource) float64 {
	for _, component := range cost.Of(resources).Components {
		for _, use := range component.Use {
			if use.Unit == unit {
				return use.USD
			}
		}
	}
	return 0
}

// creditPrice is what AWS charges for a vCPU-hour of CPU credits in excess of those earned.
func creditPrice() float64 {
	return priceOf("vCPU-hour",
		cost.Resource{Type: "aws_autoscaling_group", Address: "aws_autoscaling_group.backend", Values: map[string]any{"min_size": 1.0, "max_size": 1.0}},
		cost.Resource{Type: "aws_launch_template", Address: "aws_launch_template.backend", Values: map[string]any{
			"instance_type": "t3.micro", "credit_specification": map[string]any{"cpu_credits": "unlimited"},
		}})
}

func (c calculation) resources() []Resource {
	resources := []Resource{c.cpu()}
	if c.e.Backend.IsBurstable() {
		resources = append(resources, c.credits())
	}
	resources = append(resources, c.subnets(), c.targets(), c.cloudFront(), c.database(), c.redisConnections())
	if _, ok := maxMemory[c.e.Cache.NodeType]; ok {
		resources = append(resources, c.redisMemory())
	}
	if strings.ContainsRune(standardFamilies, rune(c.e.Backend.InstanceType[0])) {
		resources = append(resources, c.vcpuQuota(), c.vcpuQuotaInRefresh())
	}
	if c.natGateways() > 0 {
		resources = append(resources, c.natConnections(), c.natBandwidth(), c.elasticIPs())
	}
	if c.e.Firewall != nil {
		resources = append(resources, c.firewall(), c.firewallOfAddress())
	}
	return resources
}

// cpu is the CPU time of all instances at the scaling target.
func (c calculation) cpu() Resource {
	b := c.e.Backend
	limit := c.atTarget(b.MaxSize)
	to := b.MaxSize + 1
	if rps := c.load.rps(); rps > 0 {
		to = max(to, c.group.unlimited(rps))
	}
	monthly := c.groupCost(b.InstanceType, to-b.MaxSize)
	r := Resource{
		Name: "instances' CPU", Unit: "requests/s", Limit: limit, SaturatesAt: &limit, Assumed: c.assumes(requestTime),
		Raise: Change{
			Key: "backend.maxSize", From: strconv.Itoa(b.MaxSize), To: strconv.Itoa(to), Monthly: monthly, Note: noteOf(monthly, "while all of them run"),
		},
		Notes: []string{fmt.Sprintf("%d × %d vCPUs at %d%%, %s of CPU for each request; at 100%% they serve %s requests/s",
			b.MaxSize, c.vcpus, b.TargetCPUPercent, c.load.RequestTime, amount(float64(b.MaxSize)*c.group.PerInstance))},
		Sources: []Source{page("vCPUs of "+b.InstanceType, vcpuDataset), {What: "--request-time; its default is an assumption"}},
	}
	if to > 100 {
		r.Raise.Note = "backend.maxSize is at most 100: use a larger backend.instanceType"
	}
	if rps := c.load.rps(); rps > 0 {
		r = r.with(rps)
	}
	return r
}

// credits is the CPU that the instances have all the time, without CPU credits of before.
func (c calculation) credits() Resource {
	b := c.e.Backend
	earned := creditsPerHour[b.InstanceType]
	limit := float64(b.MaxSize) * earned / 60
	saturates := limit / c.load.RequestTime.Seconds()
	r := Resource{
		Name: "CPU credits", Unit: "vCPUs, all day", Limit: limit, SaturatesAt: &saturates, Costs: b.PaysForCredits(), Assumed: c.assumes(requestTime),
		Notes:   []string{fmt.Sprintf("%s earns %s credits an hour, %s%% of its %d vCPUs", b.InstanceType, amount(earned), amount(earned/60/float64(c.vcpus)*100), c.vcpus)},
		Sources: []Source{page("CPU credits of "+b.InstanceType, creditsPage)},
	}
	busy := float64(c.group.TargetPercent) / 100 // of each vCPU
	if rps := c.load.rps(); rps > 0 {
		r = r.with(rps * c.load.RequestTime.Seconds())
		busy = min(1, *r.Load/float64(c.instances*c.vcpus))
	}
	spent := busy*float64(c.vcpus)*60 - earned // credits an hour of an instance
	if spent > 0 {
		balance := 24 * earned
		burst := fmt.Sprintf("at %s%% CPU, the %s credits of a whole day last %s hours", amount(busy*100), amount(balance), amount(balance/spent))
		if b.PaysForCredits() {
			perHour := float64(c.instances) * spent / 60 * creditPrice()
			burst += fmt.Sprintf("; then AWS charges %.2f USD* an hour for %d instances", perHour, c.instances)
		} else {
			burst += "; then the CPU slows down to its baseline"
			if strings.HasPrefix(b.InstanceType, "t2.") {
				burst += fmt.Sprintf(". A new instance has only %d launch credits", launchCreditsOfAVCPU*c.vcpus)
			} else {
				burst += ". A new instance has none"
			}
			r.Sources = append(r.Sources, page("standard mode", standardPage))
		}
		r.Notes = append(r.Notes, burst)
	}
	if b.PaysForCredits() {
		r.Raise = Change{Key: "backend.instanceType", From: b.InstanceType, To: "a type without CPU credits"}
		if next, ok := larger(b.InstanceType, creditsPerHour); ok {
			monthly := difference(c.groupCost(b.InstanceType, b.MinSize), c.groupCost(next, b.MinSize))
			r.Raise = Change{Key: "backend.instanceType", From: b.InstanceType, To: next, Monthly: monthly, Note: noteOf(monthly, "for backend.minSize instances")}
		}
	} else {
		r.Raise = Change{Key: "backend.cpuCredits", From: b.CPUCredits, To: "unlimited", Note: fmt.Sprintf("%v USD* for each vCPU-hour over the baseline", creditPrice())}
	}
	return r
}

// subnets is the addresses of the smallest private subnet.
func (c calculation) subnets() Resource {
	n := c.e.Network
	smallest := n.AvailabilityZones[0]
	size := func(zone config.Zone) float64 {
		return float64(uint64(1) << (32 - netip.MustParsePrefix(zone.PrivateCIDR).Bits()))
	}
	for _, zone := range n.AvailabilityZones {
		if size(zone) < size(smallest) {
			smallest = zone
		}
	}
	more := []cost.Resource{oneAddress} // of the load balancer
	if n.PrivateOrigin {
		more = nil
	}
	if n.NATGateways == "per-az" {
		more = append(more, oneNAT, oneAddress)
	}
	monthly := c.monthly(more...)
	return c.ofInstances(Resource{
		Name: "private subnet", Unit: "addresses", Limit: size(smallest),
		Raise: Change{
			Key: "network.availabilityZones", From: strconv.Itoa(len(n.AvailabilityZones)), To: strconv.Itoa(len(n.AvailabilityZones) + 1), Monthly: monthly,
			Note: noteOf(monthly, "because the range of a subnet cannot change"),
		},
		Notes: []string{smallest.PrivateCIDR + " in " + smallest.Name + ": AWS's 5 addresses, Redis, endpoints, and the instances of a deploy, which replaces them and has half as many more"},
		Sources: []Source{
			page("addresses that AWS keeps", "https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"),
			{What: "network and backend in the environment file"},
		},
	}, func(instances int) float64 { return float64(c.e.PrivateAddresses(config.InRefresh(instances))) })
}

// targets is the targets of the load balancer.
func (c calculation) targets() Resource {
	r := c.ofInstances(Resource{
		Name: "load balancer targets", Unit: "instances", Limit: targetQuota,
		Raise:   Change{To: "a higher quota, from AWS"},
		Sources: []Source{page("targets of an Application Load Balancer", "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html")},
	}, func(instances int) float64 { return float64(config.InRefresh(instances)) })
	if rps := c.load.rps(); rps > 0 && cost.CheckRegion(c.e.Region) == nil {
		units := rps / capacityConnections
		r.Notes = append(r.Notes, fmt.Sprintf("%s LCUs by new connections, if each request has its own: %.2f USD a month, if the load stays; more if a request and its response exceed 11 KB",
			amount(units), units*hoursPerMonth*priceOf("LCU-hour", cost.Resource{Type: "aws_lb", Address: "aws_lb.api"})))
		r.Sources = append(r.Sources, page("LCUs", "https://aws.amazon.com/elasticloadbalancing/pricing/"))
	}
	return r
}

func (c calculation) cloudFront() Resource {
	return c.ofRequests(Resource{
		Name: "CloudFront", Unit: "requests/s", Limit: cloudFrontRPS,
		Raise:   Change{To: "a higher quota, from AWS"},
		Notes:   []string{"also 150 Gbps for the distribution"},
		Sources: []Source{page("quotas of a distribution", "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html")},
	})
}

// ofRequests completes a resource whose limit is requests a second.
func (c calculation) ofRequests(r Resource) Resource {
	r.SaturatesAt = &r.Limit
	if rps := c.load.rps(); rps > 0 {
		r = r.with(rps)
	}
	return r
}

// database is the connections to a node of MongoDB.
func (c calculation) database() Resource {
	return c.ofInstances(Resource{
		Name: "database connections", Unit: "connections", Limit: float64(max(1, c.load.DatabaseConnections-atlasReserved)), Assumed: c.assumes(databaseConnections),
		Raise: Change{To: "a larger tier of MongoDB Atlas, or maxPoolSize in MONGO_URI", Note: "MongoDB's price"},
		Notes: []string{fmt.Sprintf("each instance has up to %d, the driver's default of maxPoolSize; a deploy has half as many instances more. Atlas keeps %d connections of a node", mongoPool, atlasReserved)},
		Sources: []Source{
			{What: "--database-connections; its default is a node of an M10"},
			page("connections of Atlas's tiers", "https://www.mongodb.com/docs/atlas/reference/atlas-limits/"),
			page("maxPoolSize of the Go driver", "https://pkg.go.dev/go.mongodb.org/mongo-driver/mongo/options#ClientOptions.SetMaxPoolSize"),
		},
	}, func(instances int) float64 { return float64(config.InRefresh(instances) * mongoPool) })
}

// changeOfNode is the next larger node type.
func (c calculation) changeOfNode() Change {
	from := c.e.Cache.NodeType
	to, ok := larger(from, maxMemory)
	if !ok {
		return Change{Key: "cache.nodeType", From: from, To: "a larger family"}
	}
	monthly := difference(c.nodesCost(from), c.nodesCost(to))
	return Change{Key: "cache.nodeType", From: from, To: to, Monthly: monthly, Note: noteOf(monthly, "")}
}

func (c calculation) redisMemory() Resource {
	return Resource{
		Name: "Redis memory", Unit: "MiB", Limit: math.Floor(maxMemory[c.e.Cache.NodeType] * (1 - reservedMemory) / (1 << 20)),
		Raise:   c.changeOfNode(),
		Notes:   []string{"the load is what the application keeps: the alarm redis-memory and the dashboard have it; a replica has the same data"},
		Sources: []Source{page("maxmemory, of which 25% are reserved", "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html#ParameterGroups.Redis.NodeSpecific")},
	}
}

func (c calculation) redisConnections() Resource {
	pool := redisPoolOfVCPU * c.vcpus
	return c.ofInstances(Resource{
		Name: "Redis connections", Unit: "connections", Limit: redisClients,
		Raise: Change{To: "a smaller pool in the application"},
		Notes: []string{fmt.Sprintf("each instance has up to %d, the default of go-redis for %d vCPUs", pool, c.vcpus)},
		Sources: []Source{
			page("clients of a node", "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/BestPractices.Clients.Redis.Connections.html"),
			page("pool size of go-redis", "https://pkg.go.dev/github.com/redis/go-redis/v9#Options"),
		},
	}, func(instances int) float64 { return float64(config.InRefresh(instances) * pool) })
}

// onDemand returns how many of a number of instances are On-Demand Instances (modules/compute).
func (c calculation) onDemand(instances int) int {
	return min(instances, 1+ceil(float64(instances-1)*float64(100-c.e.Backend.SpotPercent)/100))
}

var vcpuSources = []Source{
	{What: "--vcpu-quota; its default is that of a new account"},
	page("quota L-1216C47A, Running On-Demand Standard instances", "https://docs.aws.amazon.com/general/latest/gr/ec2-service.html"),
}

func (c calculation) vcpuQuota() Resource {
	return c.ofInstances(Resource{
		Name: "vCPU quota", Unit: "vCPUs", Limit: float64(c.load.VCPUQuota), Sources: vcpuSources, Assumed: c.assumes(vcpuQuota),
		Raise: Change{To: "a higher quota L-1216C47A, from AWS", Note: "no charge"},
		Notes: []string{"of all On-Demand Instances of the account in the region: other environments count"},
	}, func(instances int) float64 { return float64(c.onDemand(instances) * c.vcpus) })
}

func (c calculation) vcpuQuotaInRefresh() Resource {
	r := c.vcpuQuota()
	r.Name = "vCPU quota, in a deploy"
	r.Notes = []string{"a deploy that replaces the instances has half as many more; over the quota, it waits for an hour and fails"}
	return c.ofInstances(r, func(instances int) float64 { return float64(c.onDemand(config.InRefresh(instances)) * c.vcpus) })
}

func (c calculation) natGateways() int {
	return map[string]int{"single": 1, "per-az": len(c.e.Network.AvailabilityZones)}[c.e.Network.NATGateways]
}

// natConnections is the connections of a NAT gateway to a node of the database.
func (c calculation) natConnections() Resource {
	r := Resource{
		Name: "NAT gateway connections", Unit: "connections", Limit: natConnections, Raise: c.changeOfNAT(),
		Notes:   []string{"to one destination, of one gateway: here a node of the database, with the pools of all instances of a deploy"},
		Sources: []Source{page("connections and bandwidth of a NAT gateway", "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html")},
	}
	if c.e.Database != nil {
		r.Notes = []string{"to one destination, of one gateway; the database is reached by a private way, and needs none"}
		return r.with(0)
	}
	gateways := c.natGateways()
	return c.ofInstances(r, func(instances int) float64 {
		return float64((config.InRefresh(instances) + gateways - 1) / gateways * mongoPool)
	})
}

func (c calculation) natBandwidth() Resource {
	return Resource{
		Name: "NAT gateway bandwidth", Unit: "Gbps", Limit: natGigabits, Raise: c.changeOfNAT(),
		Notes:   []string{"it begins with 5 Gbps, and scales up by itself; the load is what the requests read from the database"},
		Sources: []Source{page("connections and bandwidth of a NAT gateway", "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html")},
	}
}

func (c calculation) changeOfNAT() Change {
	if c.e.Network.NATGateways == "per-az" {
		return Change{Key: "database", From: "public", To: "privateLink or peering", Note: "docs/components.md has the costs"}
	}
	var more []cost.Resource
	for i := 1; i < len(c.e.Network.AvailabilityZones); i++ {
		more = append(more, oneNAT, oneAddress)
	}
	monthly := c.monthly(more...)
	return Change{Key: "network.natGateways", From: "single", To: "per-az", Monthly: monthly, Note: noteOf(monthly, "")}
}

func (c calculation) elasticIPs() Resource {
	return Resource{
		Name: "Elastic IPs", Unit: "addresses", Limit: elasticIPQuota,
		Raise:   Change{To: "a higher quota L-0263D0A3, from AWS", Note: "no charge"},
		Notes:   []string{"of the account in the region: other environments count"},
		Sources: []Source{page("quota L-0263D0A3", "https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html")},
	}.with(float64(c.natGateways()))
}

func (c calculation) firewall() Resource {
	return c.ofRequests(Resource{
		Name: "web ACL", Unit: "requests/s", Limit: firewallRPS,
		Raise:   Change{To: "a higher quota, from AWS"},
		Sources: []Source{page("quotas of AWS WAF", "https://docs.aws.amazon.com/waf/latest/developerguide/limits.html")},
	})
}

// firewallOfAddress is the requests of one address, which several users can have.
func (c calculation) firewallOfAddress() Resource {
	f := c.e.Firewall
	ofUser := c.load.RequestsPerUser * firewallWindow / 60
	return Resource{
		Name: "web ACL, one address", Unit: "requests in 5 minutes", Limit: float64(f.RateLimit), Assumed: c.assumes(requestsPerUser),
		Raise:   Change{Key: "firewall.rateLimit", From: strconv.Itoa(f.RateLimit), To: strconv.Itoa(2 * f.RateLimit), Monthly: new(cost.Cents)},
		Notes:   []string{fmt.Sprintf("the load is a user's; %s users behind one address are as many as are allowed, and more are refused with firewall.mode block", amount(math.Floor(float64(f.RateLimit)/ofUser)))},
		Sources: []Source{{What: "firewall.rateLimit in the environment file"}, {What: "--requests-per-user; its default is an assumption"}},
	}.with(ofUser)
}

// amount renders a number with at most two decimals, without zeros at its end.
func amount(x float64) string {
	return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64)
}
