package cost

// Region is the region of the prices.
const Region = "eu-west-1"

// hoursPerMonth is the month of AWS's calculator: 365 days × 24 hours / 12.
const hoursPerMonth = 730

// Source is where a price was read, and when.
type Source struct {
	URL  string `json:"url"`
	Date string `json:"date"` // of the price list, query or bill; of a price that is not verified, when it was written down
	Note string `json:"note,omitempty"`
	// Verified is false if nothing that AWS has published was read for this region: the price is a well-known one, or another region's.
	Verified bool `json:"verified"`
}

// listed is a price list of AWS, of which a copy of the entry was read. version is the time of its publication.
func listed(service, version string) *Source {
	return &Source{
		URL:      "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/" + service + "/" + version + "/" + Region + "/index.json",
		Date:     version[:4] + "-" + version[4:6] + "-" + version[6:8],
		Note:     "a copy of the entries",
		Verified: true,
	}
}

// global is a price list of AWS without regions. Its figures were read in a report of 2026-10-06.
func global(service, date string) *Source {
	return &Source{"https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/" + service + "/current/index.json", date, "quoted in a report of 2026-10-06", true}
}

// known is a price that is not verified for the region.
func known(page, note string) *Source {
	return &Source{"https://aws.amazon.com/" + page + "/pricing/", "2026-11-26", note, false}
}

var (
	// A copy of AWS's price list as a Go module. The Linux price of t3.micro is the same in a copy of the price list of 2026-09-01.
	instanceSource = &Source{"https://proxy.golang.org/github.com/cristim/ec2-instances-info/@v/v0.0.0-20250528091325-32acf84f42eb.zip", "2025-05-28", "data/instances.json", true}
	nodeSource     = &Source{"https://proxy.golang.org/github.com/cristim/ec2-instances-info/@v/v0.0.0-20250528091325-32acf84f42eb.zip", "2025-05-28", "data/elasticache-instances.json", true}

	valkeySource = known("elasticache", "AWS announced on 2024-10-08 that nodes with Valkey cost 20 % less than with Redis OSS")

	natList        = listed("AmazonEC2", "20260925174521")
	elbList        = listed("AWSELB", "20260911124544")
	vpcList        = listed("AmazonVPC", "20260917190528")
	cloudWatchList = listed("AmazonCloudWatch", "20260922021715")
	secretsList    = listed("AWSSecretsManager", "20260911124610")
	registryList   = listed("AmazonECR", "20260911124425")
	bucketList     = listed("AmazonS3", "20260928230416")
	transferList   = listed("AWSDataTransfer", "20260916132208")
	lambdaList     = listed("AWSLambda", "20261001184746")
	dynamoList     = listed("AmazonDynamoDB", "20260911124422")
	cloudFrontList = global("AmazonCloudFront", "2026-10-03")
	routeList      = global("AmazonRoute53", "2026-09-11")
	budgetsList    = global("AWSBudgets", "2026-09-11")

	// AWS's Price List Query API, quoted in reports of 2026-05-01.
	volumeQuery   = &Source{"https://aws.amazon.com/ebs/pricing/", "2026-05-01", "AWS's Price List Query API, quoted in a report", true}
	endpointQuery = &Source{"https://aws.amazon.com/privatelink/pricing/", "2026-05-01", "AWS's Price List Query API, quoted in a report", true}

	balancerBill = &Source{
		"https://github.com/fabiocozzolino/fabiocozzolino.github.io/blob/master/_posts/2022-03-07-Blazor-AWS-cost-usage.md", "2026-07-31",
		"a published bill of 2022-03; one of 2026-07 has the same price: 15.00 USD for 595 hours", true,
	}
)

// unit is what a price is for.
type unit string

const (
	hour  unit = "hour"  // of something that is there all month
	month unit = "month" // of something that is there all month
)

// price is a price in US dollars, for a unit. Other units than hour and month are units of use.
type price struct {
	name   string // what it is a price of
	usd    float64
	unit   unit
	source *Source
}

// perMonth is the price of a whole month.
func (p *price) perMonth() float64 {
	if p.unit == hour {
		return p.usd * hoursPerMonth
	}
	return p.usd
}

// table is all prices but those of instances and nodes. A price is in no other place.
var table []*price

func add(name string, usd float64, per unit, source *Source) *price {
	p := &price{name, usd, per, source}
	table = append(table, p)
	return p
}

// Prices of what is there all month.
var (
	natHour      = add("NAT gateway", 0.048, hour, natList)
	addressHour  = add("public IPv4 address", 0.005, hour, vpcList)
	endpointHour = add("interface endpoint, in a zone", 0.011, hour, endpointQuery)
	balancerHour = add("Application Load Balancer", 0.0252, hour, balancerBill)
	gp2Month     = add("GiB of gp2", 0.11, month, volumeQuery)
	gp3Month     = add("GiB of gp3", 0.088, month, volumeQuery)

	// Seven metrics of an instance are charged for with detailed monitoring, in the examples of AWS's page.
	detailedMonth  = add("metric of detailed monitoring", 0.30, month, cloudWatchList)
	metricMonth    = add("custom metric", 0.30, month, cloudWatchList)
	alarmMonth     = add("metric of an alarm", 0.10, month, cloudWatchList)
	compositeMonth = add("composite alarm", 0.50, month, known("cloudwatch", ""))
	dashboardMonth = add("dashboard; an account's first three are free", 3, month, known("cloudwatch", "the price of every region; AWS's price list has it without a region"))

	keyMonth      = add("KMS key", 1, month, known("kms", "the price list of eu-west-2 of 2026-09-11"))
	secretMonth   = add("secret", 0.40, month, secretsList)
	advancedMonth = add("advanced parameter", 0.05, month, known("systems-manager", "the price list of eu-west-2 of 2026-10-04"))
	zoneMonth     = add("Route 53 zone", 0.50, month, routeList)
	checkMonth    = add("Route 53 health check", 0.50, month, routeList)
	aclMonth      = add("web ACL", 5, month, known("waf", "the price list of mx-central-1 of 2026-01-07"))
	ruleMonth     = add("rule of a web ACL", 1, month, known("waf", "the price list of mx-central-1 of 2026-01-07"))
	shieldMonth   = add("Shield Advanced; the commitment is a year", 3000, month, known("shield", ""))
	actionMonth   = add("budget with actions; an account's first two are free", 0.10*hoursPerMonth/24, month, budgetsList)
)

// Prices of use.
var (
	natGB         = add("through a NAT gateway", 0.048, "GB", natList)
	outGB         = add("data out to the internet", 0.09, "GB", transferList)
	zonesGB       = add("data between zones, in each direction", 0.01, "GB", &Source{transferList.URL, transferList.Date, "quoted in a report", true})
	endpointGB    = add("through an interface endpoint", 0.01, "GB", endpointQuery)
	peeringGB     = add("through a peering connection between zones, in each direction", 0.01, "GB", known("vpc", ""))
	capacityHour  = add("load balancer capacity", 0.008, "LCU-hour", elbList)
	creditHour    = add("CPU credits beyond those earned", 0.05, "vCPU-hour", known("ec2", "the price of us-east-1, in AWS's description of the unlimited mode"))
	logsGB        = add("logs received", 0.57, "GB", cloudWatchList)
	vendedGB      = add("flow logs and access logs received", 0.57, "GB", known("cloudwatch", "the price of other logs")) // the first 10 TB
	archiveGB     = add("logs kept", 0.03, "GB-month", cloudWatchList)
	imageGB       = add("images kept", 0.10, "GB-month", registryList)
	backupGB      = add("snapshots of Redis kept, beyond the last", 0.085, "GB-month", known("elasticache", ""))
	objectGB      = add("files kept in S3", 0.023, "GB-month", bucketList)
	putThousand   = add("writes to S3", 0.005, "1,000", bucketList)
	getThousand   = add("reads from S3", 0.0004, "1,000", bucketList)
	viewerGB      = add("data out to viewers in Europe", 0.085, "GB", cloudFrontList)
	viewerRequest = add("requests of viewers in Europe, HTTPS", 0.012, "10,000", cloudFrontList)
	functionRun   = add("requests that run the function", 0.10, "million", cloudFrontList)
	invalidation  = add("invalidated paths, beyond 1,000 in a month", 0.005, "path", cloudFrontList)
	lockWrite     = add("writes to the lock table", 0.705, "million", dynamoList)
	lockRead      = add("reads from the lock table", 0.1415, "million", dynamoList)
	tableGB       = add("data kept in DynamoDB", 0.283, "GB-month", dynamoList)
	recoveryGB    = add("point-in-time recovery", 0.22, "GB-month", dynamoList)
	emails        = add("e-mails", 2, "100,000", known("sns", ""))
	queueRequest  = add("requests to queues", 0.40, "million", known("sqs", "the price list of eu-west-2 of 2026-09-11"))
	keyRequest    = add("requests to keys", 0.03, "10,000", known("kms", "the price list of eu-west-2 of 2026-09-11"))
	keyRotation   = add("each of a key's first two yearly rotations", 1, "month", known("kms", ""))
	secretRequest = add("reads of secrets", 0.05, "10,000", secretsList)
	lambdaRun     = add("runs of functions", 0.20, "million", lambdaList)
	lambdaGB      = add("memory of running functions", 0.0000166667, "GB-second", lambdaList)
	queries       = add("DNS queries, except those for aliases of AWS resources", 0.40, "million", routeList)
	inspected     = add("requests inspected, at each web ACL", 0.60, "million", known("waf", "the price list of mx-central-1 of 2026-01-07"))
	shieldGB      = add("data out that Shield Advanced protects, at most", 0.05, "GB", known("shield", ""))
	trailEvents   = add("CloudTrail's management events analyzed", 4, "million", known("guardduty", "the price of us-east-1"))
	analyzedGB    = add("flow logs and DNS queries analyzed", 1, "GB", known("guardduty", "the price of us-east-1"))
	vaultGB       = add("backups kept", 0.05, "GB-month", known("backup", "of S3; other resources differ"))
	traces        = add("traces recorded", 5, "million", known("xray", "the price list of us-west-2"))
	tracesRead    = add("traces read", 0.50, "million", known("xray", "the price list of us-west-2"))
	canaryRun     = add("runs of canaries", 0.0012, "run", known("cloudwatch", "the price of us-east-1"))
)
