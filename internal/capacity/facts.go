package capacity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Source says where a number comes from: the environment file, a flag, an assumption or a page.
type Source struct {
	What string `json:"what"`
	URL  string `json:"url,omitempty"` // empty: What says it all
}

func page(what, url string) Source { return Source{what, url} }

const (
	creditsPage  = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html"
	standardPage = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-standard-mode-concepts.html"
	vcpuDataset  = "https://proxy.golang.org/github.com/cristim/ec2-instances-info/@v/v0.0.0-20250528091325-32acf84f42eb.zip"
)

// AWS's default quotas and limits. An account's own can be higher: Service Quotas has them.
const (
	// A new account has this quota; AWS raises it with use, or on request. The code is L-1216C47A.
	defaultVCPUQuota = 5 // https://docs.aws.amazon.com/general/latest/gr/ec2-service.html

	elasticIPQuota       = 5       // L-0263D0A3, https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
	targetQuota          = 1_000   // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
	cloudFrontRPS        = 250_000 // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
	firewallRPS          = 100_000 // https://docs.aws.amazon.com/waf/latest/developerguide/limits.html
	natConnections       = 55_000  // of an address to a destination: https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html
	natGigabits          = 100     // the same page: 5 Gbps, and it scales up to 100
	redisClients         = 65_000  // https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/BestPractices.Clients.Redis.Connections.html
	capacityConnections  = 25      // new connections a second of an LCU: https://aws.amazon.com/elasticloadbalancing/pricing/
	reservedMemory       = 0.25    // reserved-memory-percent: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html
	mongoPool            = 100     // https://pkg.go.dev/go.mongodb.org/mongo-driver/mongo/options#ClientOptions.SetMaxPoolSize
	redisPoolOfVCPU      = 10      // https://pkg.go.dev/github.com/redis/go-redis/v9#Options
	atlasConnections     = 1_500   // of a node of an M10: https://www.mongodb.com/docs/atlas/reference/atlas-limits/
	atlasReserved        = 10      // of a node, the same page
	firewallWindow       = 5 * 60  // seconds of firewall.rateLimit
	launchCreditsOfAVCPU = 30      // of a t2 in standard mode: standardPage
)

// standardFamilies are the first letters of the instance types that quota L-1216C47A is for.
const standardFamilies = "acdhimrtz"

// vcpus returns the vCPUs of an x86_64 instance type by its size, as all types of vcpuDataset have them that are not among the exceptions.
func vcpus(instanceType string) (int, error) {
	if n, ok := otherVCPUs[instanceType]; ok {
		return n, nil
	}
	family, size, _ := strings.Cut(instanceType, ".")
	unusual := slices.Contains([]string{"c1", "m1", "m2", "t1", "hs1"}, family) || strings.HasPrefix(family, "hpc") || strings.HasPrefix(family, "u-")
	if multiple, ok := strings.CutSuffix(size, "xlarge"); ok && !unusual {
		n, err := strconv.Atoi(multiple)
		if multiple == "" {
			n, err = 1, nil
		}
		if err == nil && n > 0 {
			return 4 * n, nil
		}
	}
	if n, ok := map[string]int{"nano": 2, "micro": 2, "small": 2, "medium": 1, "large": 2}[size]; ok && !unusual {
		return n, nil
	}
	return 0, fmt.Errorf("backend.instanceType: the vCPUs of %q are not known; allowed: current families, in sizes from nano to 48xlarge", instanceType)
}

var otherVCPUs = map[string]int{
	"t2.nano": 1, "t2.micro": 1, "t2.small": 1, "t2.medium": 2, "t3.medium": 2, "t3a.medium": 2, "c4.8xlarge": 36, "d2.8xlarge": 36,
}

// creditsPerHour are the CPU credits that an instance earns in an hour, from the table of creditsPage. An instance can keep those of 24 hours,
// and each is a minute of a vCPU.
var creditsPerHour = map[string]float64{
	"t2.nano": 3, "t2.micro": 6, "t2.small": 12, "t2.medium": 24, "t2.large": 36, "t2.xlarge": 54, "t2.2xlarge": 81.6,
	"t3.nano": 6, "t3.micro": 12, "t3.small": 24, "t3.medium": 24, "t3.large": 36, "t3.xlarge": 96, "t3.2xlarge": 192,
	"t3a.nano": 6, "t3a.micro": 12, "t3a.small": 24, "t3a.medium": 24, "t3a.large": 36, "t3a.xlarge": 96, "t3a.2xlarge": 192,
}

// maxMemory is the parameter maxmemory of a node type in bytes, from
// https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html#ParameterGroups.Redis.NodeSpecific. Valkey has the same.
var maxMemory = map[string]float64{
	"cache.t2.micro": 581959680, "cache.t2.small": 1665138688, "cache.t2.medium": 3461349376,
	"cache.t3.micro": 536870912, "cache.t3.small": 1471026299, "cache.t3.medium": 3317862236,
	"cache.t4g.micro": 536870912, "cache.t4g.small": 1471026299, "cache.t4g.medium": 3317862236,
	"cache.m5.large": 6854542746, "cache.m5.xlarge": 13891921715, "cache.m5.2xlarge": 27966669210, "cache.m5.4xlarge": 56116178125,
	"cache.m6g.large": 6854542746, "cache.m6g.xlarge": 13891921715, "cache.m6g.2xlarge": 27966669210, "cache.m6g.4xlarge": 56116178125,
	"cache.m7g.large": 6854542746, "cache.m7g.xlarge": 13891921715, "cache.m7g.2xlarge": 27966669210, "cache.m7g.4xlarge": 56116178125,
	"cache.r5.large": 14037181030, "cache.r5.xlarge": 28261849702, "cache.r5.2xlarge": 56711183565, "cache.r5.4xlarge": 113609865216,
	"cache.r6g.large": 14037181030, "cache.r6g.xlarge": 28261849702, "cache.r6g.2xlarge": 56711183565, "cache.r6g.4xlarge": 113609865216,
	"cache.r7g.large": 14037181030, "cache.r7g.xlarge": 28261849702, "cache.r7g.2xlarge": 56711183565, "cache.r7g.4xlarge": 113609865216,
	"cache.c7gn.large": 3317862236, "cache.c7gn.xlarge": 6854542746, "cache.c7gn.2xlarge": 13891921715, "cache.c7gn.4xlarge": 27966669210,
}

// sizes are the sizes of instances and nodes, from small to large.
var sizes = []string{"nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge"}

// larger returns the next size of a type that is in a table; false if there is none.
func larger[T any](kind string, table map[string]T) (string, bool) {
	dot := strings.LastIndex(kind, ".")
	family, size := kind[:dot+1], kind[dot+1:]
	for _, next := range sizes[slices.Index(sizes, size)+1:] {
		if _, ok := table[family+next]; ok {
			return family + next, true
		}
	}
	return "", false
}
