// Package config says what an environment file may contain: its types, defaults, limits and rules.
//
// The data flows one way: environment file -> Environment -> stack -> modules -> Terraform JSON.
package config

// Project is the first part of every physical name; IAM grants by this prefix.
const Project = "starttech"

// BackendPort is where the application's container listens.
const BackendPort = 8080

// Environment is one environment: one file in environments/, one Terraform stack, one state.
//
// The limits stand in the tags. They become the JSON Schema, which every file is checked against; rules that
// concern several keys at once are in rules.go, and the defaults in Default.
type Environment struct {
	// Name is the file's name without its extension.
	Name string `json:"-"`
	// AccountPosition is where the file names the account: environments/production.yaml:5:10.
	AccountPosition string `json:"-"`

	Account    string `json:"account" jsonschema:"required,pattern=^[0-9]{12}$" jsonschema_description:"The AWS account that this environment lives in, in quotes. The provider refuses any other."`
	Region     string `json:"region" jsonschema:"pattern=^[a-z]{2}(-[a-z]+)+-[0-9]$" jsonschema_description:"AWS region of everything but CloudFront's certificate."`
	Repository string `json:"repository" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$" jsonschema_description:"GitHub repository (owner/name) that this environment is deployed from: its workflows assume the plan and deploy roles. A tag on every resource."`

	ApplicationRepository string `json:"applicationRepository" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$" jsonschema_description:"GitHub repository (owner/name) of the application: its workflows assume the release role."`
	OIDCProvider          string `json:"oidcProvider" jsonschema:"enum=create,enum=existing" jsonschema_description:"GitHub's OpenID Connect provider, of which an account has one: existing where something else has made it."`

	DeletionProtection bool `json:"deletionProtection" jsonschema_description:"Whether the load balancer, the buckets, the images, Redis and the logs refuse to be destroyed."`

	Domain       *Domain      `json:"domain,omitempty" jsonschema_description:"Custom domain of the site, in Route 53. Without it the site has CloudFront's own name."`
	Network      Network      `json:"network" jsonschema_description:"VPC, subnets and ways out."`
	LoadBalancer LoadBalancer `json:"loadBalancer" jsonschema_description:"Application Load Balancer and its health check."`
	Backend      Backend      `json:"backend" jsonschema_description:"EC2 instances of the API and their Auto Scaling group."`
	Registry     Registry     `json:"registry" jsonschema_description:"ECR repository of the backend's images."`
	Cache        Cache        `json:"cache" jsonschema_description:"ElastiCache Redis."`
	Frontend     Frontend     `json:"frontend" jsonschema_description:"S3 bucket and CloudFront distribution of the site."`
	Monitoring   Monitoring   `json:"monitoring" jsonschema_description:"CloudWatch logs, alarms and who hears of them."`
}

// Domain is a name in a public Route 53 zone of the same account.
type Domain struct {
	Name         string `json:"name" jsonschema:"required,pattern=^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2\\,}$,maxLength=253" jsonschema_description:"Name of the site, app.example.com."`
	HostedZoneID string `json:"hostedZoneId" jsonschema:"required,pattern=^Z[A-Z0-9]{1\\,31}$" jsonschema_description:"Id of the public Route 53 zone that holds the name."`
}

// Network is the VPC.
type Network struct {
	CIDR               string   `json:"cidr" jsonschema:"format=ipv4-cidr" jsonschema_description:"IPv4 range of the VPC, between /16 and /28."`
	AvailabilityZones  []Zone   `json:"availabilityZones" jsonschema:"minItems=2,maxItems=6" jsonschema_description:"A public and a private subnet for each."`
	NATGateways        string   `json:"natGateways" jsonschema:"enum=none,enum=single,enum=per-az" jsonschema_description:"How the private subnets reach the internet."`
	InterfaceEndpoints bool     `json:"interfaceEndpoints" jsonschema_description:"VPC endpoints for ECR, CloudWatch Logs and Systems Manager; required where there is no NAT gateway."`
	FlowLogs           bool     `json:"flowLogs" jsonschema_description:"VPC flow logs into CloudWatch Logs."`
	SSHCIDRs           []string `json:"sshCidrs" jsonschema:"uniqueItems=true,format=ipv4-cidr" jsonschema_description:"IPv4 ranges that may reach the instances on port 22; never 0.0.0.0/0."`
}

// Zone is a pair of subnets in an Availability Zone.
type Zone struct {
	Name        string `json:"name" jsonschema:"required,pattern=^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$" jsonschema_description:"Name of the Availability Zone, eu-west-1a."`
	PublicCIDR  string `json:"publicCidr" jsonschema:"required,format=ipv4-cidr" jsonschema_description:"Range of the public subnet (load balancer, NAT gateway)."`
	PrivateCIDR string `json:"privateCidr" jsonschema:"required,format=ipv4-cidr" jsonschema_description:"Range of the private subnet (instances, Redis)."`
}

// LoadBalancer is the Application Load Balancer's target group.
type LoadBalancer struct {
	HealthCheckPath            string `json:"healthCheckPath" jsonschema:"pattern=^/[A-Za-z0-9/_.~-]*$,maxLength=128" jsonschema_description:"Path that a healthy instance answers with 200. /health fails with MongoDB and would replace every instance in an outage."`
	HealthCheckIntervalSeconds int    `json:"healthCheckIntervalSeconds" jsonschema:"minimum=10,maximum=300" jsonschema_description:"Seconds between two health checks."`
	DeregistrationDelaySeconds int    `json:"deregistrationDelaySeconds" jsonschema:"minimum=0,maximum=3600" jsonschema_description:"Seconds in which a leaving instance finishes its requests."`
}

// Backend is the Auto Scaling group.
type Backend struct {
	AmazonLinux      string `json:"amazonLinux" jsonschema:"enum=al2,enum=al2023" jsonschema_description:"Amazon Linux 2 (past its end of life) or 2023."`
	InstanceType     string `json:"instanceType" jsonschema:"pattern=^[a-z][a-z0-9-]*\\.[a-z0-9-]+$" jsonschema_description:"EC2 instance type, x86_64."`
	MinSize          int    `json:"minSize" jsonschema:"minimum=1,maximum=100" jsonschema_description:"Fewest instances."`
	MaxSize          int    `json:"maxSize" jsonschema:"minimum=1,maximum=100" jsonschema_description:"Most instances."`
	DesiredCapacity  int    `json:"desiredCapacity" jsonschema:"minimum=1,maximum=100" jsonschema_description:"Instances at the first deploy; afterwards the scaling policy decides."`
	TargetCPUPercent int    `json:"targetCpuPercent" jsonschema:"minimum=10,maximum=90" jsonschema_description:"Average CPU utilization that the scaling policy keeps."`
	SpotPercent      int    `json:"spotPercent" jsonschema:"minimum=0,maximum=100" jsonschema_description:"Share of Spot Instances above the first, which is always on demand."`
	RootVolumeGiB    int    `json:"rootVolumeGiB" jsonschema:"minimum=8,maximum=1024" jsonschema_description:"Size of the gp2 root volume in GiB."`
	WarmupSeconds    int    `json:"warmupSeconds" jsonschema:"minimum=30,maximum=3600" jsonschema_description:"Seconds that an instance gets to boot before its health and CPU count."`
	SessionManager   bool   `json:"sessionManager" jsonschema_description:"Whether operators can open a shell on an instance by Session Manager."`
}

// Registry is the ECR repository.
type Registry struct {
	KeepImages   int `json:"keepImages" jsonschema:"minimum=1,maximum=1000" jsonschema_description:"Newest images to keep; older ones expire, the released one too if it is that old."`
	UntaggedDays int `json:"untaggedDays" jsonschema:"minimum=1,maximum=365" jsonschema_description:"Days after which an untagged image expires."`
}

// Cache is the ElastiCache replication group.
type Cache struct {
	NodeType              string `json:"nodeType" jsonschema:"pattern=^cache\\.[a-z0-9]+\\.[a-z0-9]+$" jsonschema_description:"ElastiCache node type."`
	EngineVersion         string `json:"engineVersion" jsonschema:"enum=7.0,enum=7.1" jsonschema_description:"Redis OSS version, in quotes."`
	Replicas              int    `json:"replicas" jsonschema:"minimum=0,maximum=5" jsonschema_description:"Read replicas; one or more turns automatic failover and Multi-AZ on."`
	SnapshotRetentionDays int    `json:"snapshotRetentionDays" jsonschema:"minimum=0,maximum=35" jsonschema_description:"Days that a daily snapshot is kept; 0 takes none."`
	TransitEncryption     string `json:"transitEncryption" jsonschema:"enum=off,enum=preferred,enum=required" jsonschema_description:"preferred lets clients with and without TLS in; the backend's client speaks no TLS. From off to required and back, the way leads over preferred."`
	MaintenanceWindow     string `json:"maintenanceWindow" jsonschema:"pattern=^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$" jsonschema_description:"Weekly window in UTC, at least an hour: sun:03:00-sun:04:00."`
	SnapshotWindow        string `json:"snapshotWindow" jsonschema:"pattern=^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$" jsonschema_description:"Daily window in UTC, at least an hour: 01:00-02:00."`
}

// Frontend is the bucket and the distribution.
type Frontend struct {
	APIPaths                []string `json:"apiPaths" jsonschema:"minItems=1,maxItems=20,uniqueItems=true,pattern=^/[A-Za-z0-9_.*?$/~@:+-]+$" jsonschema_description:"Path patterns that CloudFront forwards, uncached, to the load balancer."`
	OldVersionRetentionDays int      `json:"oldVersionRetentionDays" jsonschema:"minimum=1,maximum=3650" jsonschema_description:"Days that a replaced or deleted file can still be restored."`
	PriceClass              string   `json:"priceClass" jsonschema:"enum=PriceClass_100,enum=PriceClass_200,enum=PriceClass_All" jsonschema_description:"CloudFront's edge locations: 100 is North America and Europe."`
}

// Monitoring is CloudWatch and SNS.
type Monitoring struct {
	LogRetentionDays int      `json:"logRetentionDays" jsonschema:"enum=1,enum=3,enum=5,enum=7,enum=14,enum=30,enum=60,enum=90,enum=120,enum=150,enum=180,enum=365,enum=400,enum=545,enum=731,enum=1096,enum=1827,enum=2192,enum=2557,enum=2922,enum=3288,enum=3653" jsonschema_description:"Days that log events are kept."`
	AlarmEmails      []string `json:"alarmEmails" jsonschema:"uniqueItems=true,format=email" jsonschema_description:"Who is told of alarms; each address confirms the subscription once."`
}

// Default is what an environment file does not say: the architecture document's production environment.
// Only the account has no default.
func Default() Environment {
	return Environment{
		Region:                "eu-west-1",
		Repository:            "starttech/infrastructure",
		ApplicationRepository: "starttech/application",
		OIDCProvider:          "create",
		DeletionProtection:    true,
		Network: Network{
			CIDR: "10.0.0.0/16",
			AvailabilityZones: []Zone{
				{Name: "eu-west-1a", PublicCIDR: "10.0.1.0/24", PrivateCIDR: "10.0.3.0/24"},
				{Name: "eu-west-1b", PublicCIDR: "10.0.2.0/24", PrivateCIDR: "10.0.4.0/24"},
			},
			NATGateways: "single",
			FlowLogs:    true,
			SSHCIDRs:    []string{},
		},
		LoadBalancer: LoadBalancer{
			HealthCheckPath:            "/ping",
			HealthCheckIntervalSeconds: 30,
			DeregistrationDelaySeconds: 60,
		},
		Backend: Backend{
			AmazonLinux:      "al2",
			InstanceType:     "t3.micro",
			MinSize:          2,
			MaxSize:          5,
			DesiredCapacity:  2,
			TargetCPUPercent: 60,
			RootVolumeGiB:    8,
			WarmupSeconds:    300,
			SessionManager:   true,
		},
		Registry: Registry{KeepImages: 30, UntaggedDays: 7},
		Cache: Cache{
			NodeType:              "cache.t3.micro",
			EngineVersion:         "7.1",
			Replicas:              1,
			SnapshotRetentionDays: 7,
			TransitEncryption:     "preferred",
			MaintenanceWindow:     "sun:03:00-sun:04:00",
			SnapshotWindow:        "01:00-02:00",
		},
		Frontend: Frontend{
			APIPaths:                []string{"/auth/*", "/tasks", "/tasks/*", "/users/*", "/swagger/*", "/health", "/ping"},
			OldVersionRetentionDays: 90,
			PriceClass:              "PriceClass_100",
		},
		Monitoring: Monitoring{LogRetentionDays: 30, AlarmEmails: []string{}},
	}
}
