package config

import (
	"regexp"
	"strings"
)

// BackendPort is the port that the application's container listens on, as in the architecture document.
const BackendPort = 8080

// Backend is the Auto Scaling group.
type Backend struct {
	// Amazon Linux 2 (past its end of life) or 2023.
	//
	// The boot script is written for these two.
	AmazonLinux string `json:"amazonLinux" jsonschema:"enum=al2,enum=al2023" change:"rolls"`
	// Pinned AMI, of amazonLinux and x86_64, for the way back from a bad image. Without it, a deploy uses the newest one.
	//
	// AWS's ids have 8 letters and digits, or 17 since 2016 (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html). Those in use
	// are hexadecimal.
	ImageID string `json:"imageId,omitempty" jsonschema:"pattern=^ami-[0-9a-f]{8}([0-9a-f]{9})?$" change:"rolls"`
	// EC2 instance type, x86_64.
	//
	// AWS's names: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html.
	InstanceType string `json:"instanceType" jsonschema:"pattern=^[a-z][a-z0-9-]*\\.[a-z0-9-]+$" change:"rolls"`
	// What t2, t3 and t3a instances do when their CPU credits are used up: unlimited runs on, at a price; standard slows down
	// to the baseline. Other types have no credits.
	//
	// AWS's values: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreditSpecificationRequest.html.
	CPUCredits string `json:"cpuCredits" jsonschema:"enum=standard,enum=unlimited" change:"rolls"`
	// Minimum number of instances.
	//
	// The limits are this project's: there is no site without an instance, and a typing error should not start thousands.
	MinSize int `json:"minSize" jsonschema:"minimum=1,maximum=100" change:"free"`
	// Maximum number of instances.
	//
	// The limits are minSize's.
	MaxSize int `json:"maxSize" jsonschema:"minimum=1,maximum=100" change:"free"`
	// Instances at the first deploy; afterwards the scaling policy decides.
	//
	// The limits are minSize's.
	DesiredCapacity int `json:"desiredCapacity" jsonschema:"minimum=1,maximum=100" change:"free: without effect; the scaling policy has decided since the first deploy"`
	// Average CPU utilization that the scaling policy aims for.
	//
	// The limits are this project's: below 10 an idle group grows, and above 90 the group grows when its instances are saturated.
	TargetCPUPercent int `json:"targetCpuPercent" jsonschema:"minimum=10,maximum=90" change:"free"`
	// Percentage of Spot Instances above the first instance, which is always On-Demand.
	//
	// AWS's setting is the percentage of the others (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstancesDistribution.html).
	SpotPercent int `json:"spotPercent" jsonschema:"minimum=0,maximum=100" change:"rolls"`
	// Further instance types of the Spot Instances: of instanceType's size, and with CPU credits if it has them. More types are fewer interruptions.
	//
	// The pattern is instanceType's. AWS allows 40 types for a group (https://docs.aws.amazon.com/cdk/api/v1/docs/@aws-cdk_aws-autoscaling.MixedInstancesPolicy.html).
	InstanceTypes []string `json:"instanceTypes,omitempty" jsonschema:"minItems=1,maxItems=39,uniqueItems=true,pattern=^[a-z][a-z0-9-]*\\.[a-z0-9-]+$" change:"rolls"`
	// Size of the gp2 root volume in GiB.
	//
	// AWS allows 1 to 16,384, and no less than the image's snapshot
	// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EbsBlockDevice.html). The minimum is the architecture document's. The maximum
	// is this project's: an instance keeps no data.
	RootVolumeGiB int `json:"rootVolumeGiB" jsonschema:"minimum=8,maximum=1024" change:"rolls"`
	// Seconds that an instance has to boot before its health and its CPU utilization count.
	//
	// The limits are this project's: no instance boots in less than 30 seconds, and an instance refresh gives up after an hour
	// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-refresh.html).
	WarmupSeconds int `json:"warmupSeconds" jsonschema:"minimum=30,maximum=3600" change:"free"`
	// Whether operators can open a shell on an instance with Session Manager.
	SessionManager bool `json:"sessionManager" change:"free"`
	// Whether the container gets the credentials of the instance's role, because the application calls AWS.
	ContainerCredentials bool `json:"containerCredentials" change:"rolls"`
	// Memory and disk of the instances: two metrics of the group and two of each instance, with two alarms and two graphs.
	//
	// Costs: 0.30 USD for each metric and 0.10 USD for each alarm in a month; with two instances, 2.00 USD.
	//
	// Needs: a NAT gateway, and memory for the agent, in the quarter of the instance that the container leaves.
	//
	// Check: the dashboard has the graphs Memory (%) and Disk (%), with data five minutes after the boot of an instance.
	InstanceMetrics bool `json:"instanceMetrics" change:"rolls: deploy bootstrap first, for the roles" removal:"rolls: the instances boot without the agent, unless tracing needs it; the alarms are gone"`
}

func defaultBackend() Backend {
	return Backend{
		AmazonLinux:  "al2",
		InstanceType: "t3.micro",
		// AWS's default for t3 and t3a
		// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-unlimited-mode.html).
		CPUCredits:       "unlimited",
		MinSize:          2,
		MaxSize:          5,
		DesiredCapacity:  2,
		TargetCPUPercent: 60,
		RootVolumeGiB:    8,
		WarmupSeconds:    300,
		SessionManager:   true,
	}
}

// arm64 matches the instance types with AWS's own processors. Their names have a g after the generation, as t4g and c7gn do, except for
// the first of them, a1.
var arm64 = regexp.MustCompile(`^([a-z]+[0-9]+g|a1\.)`)

// burstable matches the x86_64 instance types with CPU credits that can be standard or unlimited
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-how-to.html).
var burstable = regexp.MustCompile(`^t(2|3|3a)\.`)

// isBurstable reports whether an instance type has CPU credits.
func isBurstable(instanceType string) bool { return burstable.MatchString(instanceType) }

// IsBurstable reports whether the instances have CPU credits.
func (b Backend) IsBurstable() bool { return isBurstable(b.InstanceType) }

// PaysForCredits reports whether the instances can have CPU credits that AWS charges for.
func (b Backend) PaysForCredits() bool { return b.IsBurstable() && b.CPUCredits == "unlimited" }

// Limits of the healthy instances during an instance refresh, in percent of the group's size: a new instance is healthy before an old one is
// terminated (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html).
const (
	MinHealthyPercentage = 100
	MaxHealthyPercentage = 150
)

// InRefresh returns how many instances there are at most during the instance refresh of a number of instances.
func InRefresh(instances int) int { return (MaxHealthyPercentage*instances + 99) / 100 }

// imageParameters are the public SSM parameters with the id of the newest image, by the value of amazonLinux
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html).
var imageParameters = map[string]string{
	"al2":    "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
	"al2023": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
}

// ImageParameter is the public SSM parameter with the id of the newest image.
func (b Backend) ImageParameter() string { return imageParameters[b.AmazonLinux] }

// check applies AWS's order of the sizes (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html), and refuses
// types that the images are not built for.
func (b Backend) check(at place, e Environment) {
	checkProcessor(at.key("instanceType"), b.InstanceType)
	b.checkInstanceTypes(at.key("instanceTypes"), at.key("instanceType"))
	if b.InstanceMetrics {
		e.Network.checkRouteTo("CloudWatch", at.key("instanceMetrics"))
	}
	least, most := at.key("minSize").other(b.MinSize), at.key("maxSize").other(b.MaxSize)
	if b.MinSize > b.MaxSize {
		at.key("minSize").problem("%d is more than maxSize, %s", b.MinSize, most)
	} else if b.DesiredCapacity < b.MinSize || b.DesiredCapacity > b.MaxSize {
		at.key("desiredCapacity").problem("%d is not between minSize, %s, and maxSize, %s", b.DesiredCapacity, least, most)
	}
}

func checkProcessor(at place, instanceType string) {
	if arm64.MatchString(instanceType) {
		at.problem("%q has an arm64 processor; allowed: x86_64 types, which the backend's images are built for", instanceType)
	}
}

// checkInstanceTypes refuses types that do not fit into one group. The group counts instances, and scales by their average CPU utilization, so
// that an instance of another size would count like the others; weights, which AWS has for groups of different sizes, count capacity instead
// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-weighting.html). All types have the launch template's credit specification,
// which RunInstances refuses for types without CPU credits.
func (b Backend) checkInstanceTypes(at, first place) {
	if len(b.InstanceTypes) > 0 && b.SpotPercent == 0 {
		at.problem("without Spot Instances, all instances are of instanceType; set spotPercent, or remove the key")
	}
	_, size, _ := strings.Cut(b.InstanceType, ".")
	for i, other := range b.InstanceTypes {
		here := at.item(i)
		_, otherSize, _ := strings.Cut(other, ".")
		switch {
		case arm64.MatchString(other):
			checkProcessor(here, other)
		case other == b.InstanceType:
			here.problem("%q is instanceType already", other)
		case otherSize != size:
			here.problem("%q is not of the size of instanceType, %s; the group counts instances and has no weights, so all are of one size", other, first.other(b.InstanceType))
		case isBurstable(other) != b.IsBurstable():
			here.problem("%q and instanceType, %s, do not both have CPU credits, which cpuCredits sets for the whole group", other, first.other(b.InstanceType))
		}
	}
}
