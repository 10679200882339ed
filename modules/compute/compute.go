// Package compute is the EC2 instances of the backend: launch template, Auto Scaling group and scaling policy.
package compute

import (
	"strconv"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/autoscalinggroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/autoscalingpolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/dataawsssmparameter"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/launchtemplate"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/modules/instancerole"
	"github.com/starttech/infrastructure/userdata"
)

// Output is the Auto Scaling group.
type Output struct {
	Group autoscalinggroup.AutoscalingGroup
	Name  *string
	ARN   *string
}

// Config is the placement of the instances, what they boot with, and the backend block of the environment file.
type Config struct {
	NamePrefix      string // "starttech-production"
	SubnetIDs       []*string
	SecurityGroupID *string
	TargetGroupARN  *string
	Role            *instancerole.Output
	UserData        userdata.Settings
	Tags            []Tag                        // of instances, volumes and network interfaces, which do not get the provider's default tags
	DependsOn       []cdktf.ITerraformDependable // what has to exist before an instance boots: routes and endpoints

	config.Backend
}

// GroupName is the name of the group, for what the instances boot with: a reference to the group would be a cycle.
func GroupName(namePrefix string) string { return namePrefix + "-backend" }

// Tag is a tag. A list of tags has a stable order.
type Tag struct{ Key, Value string }

// New creates
//
//	AutoScalingGroup -> LaunchTemplate -> AMI, InstanceProfile, SecurityGroup, user data
//	  -> Subnets, TargetGroup
//	  <- Policy (target tracking on CPU)
func New(scope constructs.Construct, c Config) *Output {
	template := newLaunchTemplate(scope, c)

	dependsOn := append([]cdktf.ITerraformDependable{c.Role.Permissions}, c.DependsOn...)
	groupConfig := &autoscalinggroup.AutoscalingGroupConfig{
		Name:              jsii.String(GroupName(c.NamePrefix)),
		VpcZoneIdentifier: &c.SubnetIDs,
		MinSize:           jsii.Number(c.MinSize),
		MaxSize:           jsii.Number(c.MaxSize),
		DesiredCapacity:   jsii.Number(c.DesiredCapacity),

		TargetGroupArns:        &[]*string{c.TargetGroupARN},
		HealthCheckType:        jsii.String("ELB"),
		HealthCheckGracePeriod: jsii.Number(c.WarmupSeconds),
		DefaultInstanceWarmup:  jsii.Number(c.WarmupSeconds),
		EnabledMetrics:         jsii.Strings(groupMetrics...),

		// A new launch template replaces the instances one by one, and starts a new one before it ends an old one. The
		// provider does not wait for it (https://github.com/hashicorp/terraform-provider-aws/issues/42355), so the deploy
		// command does.
		//
		// If the new instances stay unhealthy for an hour, the refresh fails, and the deploy with it. The old instances keep
		// serving, because MinHealthyPercentage is 100. The group keeps the bad template: an instance that replaces or
		// joins them later does not become healthy either, until a good template is deployed (docs/runbook.md, "A
		// deploy's instance refresh fails").
		//
		// There is no automatic rollback: it needs a desired configuration, and the provider has moved the group to the
		// new template before it starts the refresh. AWS would roll back to the bad template, and refuse every other
		// template meanwhile (https://github.com/hashicorp/terraform-provider-aws/issues/34189). Without a desired
		// configuration, the mending deploy updates the group, and the provider cancels the refresh and starts another.
		InstanceRefresh: &autoscalinggroup.AutoscalingGroupInstanceRefresh{
			Strategy: jsii.String("Rolling"),
			Preferences: &autoscalinggroup.AutoscalingGroupInstanceRefreshPreferences{
				MinHealthyPercentage: jsii.Number(config.MinHealthyPercentage),
				MaxHealthyPercentage: jsii.Number(config.MaxHealthyPercentage),
				InstanceWarmup:       jsii.String(strconv.Itoa(c.WarmupSeconds)),
				AutoRollback:         jsii.Bool(false),
			},
		},
		Tag: groupTags(c),

		DependsOn: &dependsOn,
		// After the first deploy, the scaling policy sets the number of instances.
		Lifecycle: &cdktf.TerraformResourceLifecycle{IgnoreChanges: &[]*string{jsii.String("desired_capacity")}},
	}
	version := cdktf.Token_AsString(template.LatestVersion(), nil)
	if c.SpotPercent > 0 {
		groupConfig.MixedInstancesPolicy = &autoscalinggroup.AutoscalingGroupMixedInstancesPolicy{
			LaunchTemplate: &autoscalinggroup.AutoscalingGroupMixedInstancesPolicyLaunchTemplate{
				LaunchTemplateSpecification: &autoscalinggroup.AutoscalingGroupMixedInstancesPolicyLaunchTemplateLaunchTemplateSpecification{
					LaunchTemplateId: template.Id(),
					Version:          version,
				},
				Override: c.overrides(),
			},
			InstancesDistribution: &autoscalinggroup.AutoscalingGroupMixedInstancesPolicyInstancesDistribution{
				OnDemandBaseCapacity:                jsii.Number(1), // one instance that AWS does not interrupt
				OnDemandPercentageAboveBaseCapacity: jsii.Number(100 - c.SpotPercent),
				SpotAllocationStrategy:              jsii.String("price-capacity-optimized"),
			},
		}
	} else {
		groupConfig.LaunchTemplate = &autoscalinggroup.AutoscalingGroupLaunchTemplate{Id: template.Id(), Version: version}
	}
	group := autoscalinggroup.NewAutoscalingGroup(scope, jsii.String("backend"), groupConfig)
	groupName := group.Name()

	autoscalingpolicy.NewAutoscalingPolicy(scope, jsii.String("backend_cpu"), &autoscalingpolicy.AutoscalingPolicyConfig{
		Name:                 jsii.String(c.NamePrefix + "-cpu"),
		AutoscalingGroupName: groupName,
		PolicyType:           jsii.String("TargetTrackingScaling"),
		TargetTrackingConfiguration: &autoscalingpolicy.AutoscalingPolicyTargetTrackingConfiguration{
			TargetValue: jsii.Number(c.TargetCPUPercent),
			PredefinedMetricSpecification: &autoscalingpolicy.AutoscalingPolicyTargetTrackingConfigurationPredefinedMetricSpecification{
				PredefinedMetricType: jsii.String("ASGAverageCPUUtilization"),
			},
		},
	})
	return &Output{Group: group, Name: groupName, ARN: group.Arn()}
}

// overrides are the instance types of the group. On-Demand Instances are of the first one if it is available
// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/allocation-strategies.html). Without further types, all instances are of the launch template's.
func (c Config) overrides() any {
	if len(c.InstanceTypes) == 0 {
		return nil
	}
	var overrides []*autoscalinggroup.AutoscalingGroupMixedInstancesPolicyLaunchTemplateOverride
	for _, instanceType := range append([]string{c.InstanceType}, c.InstanceTypes...) {
		overrides = append(overrides, &autoscalinggroup.AutoscalingGroupMixedInstancesPolicyLaunchTemplateOverride{InstanceType: jsii.String(instanceType)})
	}
	return overrides
}

func newLaunchTemplate(scope constructs.Construct, c Config) launchtemplate.LaunchTemplate {
	imageID := jsii.String(c.ImageID)
	if c.ImageID == "" {
		ami := dataawsssmparameter.NewDataAwsSsmParameter(scope, jsii.String("amazon_linux"), &dataawsssmparameter.DataAwsSsmParameterConfig{
			Name: jsii.String(c.ImageParameter()),
		})
		imageID = ami.InsecureValue() // the parameter is public, so plans may show its value
	}
	// A request of a container reaches the metadata service by way of the host, which is a second hop. Without that hop, nothing in the
	// container can get the credentials of the instance's role
	// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html).
	hops := 1
	if c.ContainerCredentials {
		hops = 2
	}

	// The script is a local value. As an argument of a function, its quotes would be escaped a second time.
	script := cdktf.NewTerraformLocal(scope, jsii.String("boot_script"), userdata.Template(c.UserData))

	tags := map[string]*string{"Name": jsii.String(c.NamePrefix + "-backend")}
	for _, tag := range c.Tags {
		tags[tag.Key] = jsii.String(tag.Value)
	}
	var tagged []*launchtemplate.LaunchTemplateTagSpecifications
	for _, kind := range []string{"instance", "volume", "network-interface"} {
		tagged = append(tagged, &launchtemplate.LaunchTemplateTagSpecifications{ResourceType: jsii.String(kind), Tags: &tags})
	}

	// RunInstances refuses the setting for types that are not burstable
	// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreditSpecificationRequest.html).
	var credits *launchtemplate.LaunchTemplateCreditSpecification
	if c.IsBurstable() {
		credits = &launchtemplate.LaunchTemplateCreditSpecification{CpuCredits: jsii.String(c.CPUCredits)}
	}

	template := launchtemplate.NewLaunchTemplate(scope, jsii.String("backend_launch_template"), &launchtemplate.LaunchTemplateConfig{
		Name:                 jsii.String(c.NamePrefix + "-backend"),
		UpdateDefaultVersion: jsii.Bool(true),
		ImageId:              imageID,
		InstanceType:         jsii.String(c.InstanceType),
		CreditSpecification:  credits,
		IamInstanceProfile:   &launchtemplate.LaunchTemplateIamInstanceProfile{Arn: c.Role.ProfileARN},
		UserData:             cdktf.Fn_Base64encode(script.AsString()),
		// CPU utilization every minute instead of every five, so that the scaling policy reacts to a traffic spike in time
		// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html).
		Monitoring: &launchtemplate.LaunchTemplateMonitoring{Enabled: jsii.Bool(true)},
		NetworkInterfaces: []*launchtemplate.LaunchTemplateNetworkInterfaces{{
			DeviceIndex:              jsii.Number(0),
			AssociatePublicIpAddress: jsii.String("false"),
			SecurityGroups:           &[]*string{c.SecurityGroupID},
			DeleteOnTermination:      jsii.String("true"),
		}},
		MetadataOptions: &launchtemplate.LaunchTemplateMetadataOptions{
			HttpEndpoint:            jsii.String("enabled"),
			HttpTokens:              jsii.String("required"), // IMDSv2 only
			HttpPutResponseHopLimit: jsii.Number(hops),
		},
		BlockDeviceMappings: []*launchtemplate.LaunchTemplateBlockDeviceMappings{{
			DeviceName: jsii.String("/dev/xvda"), // the root device of both Amazon Linux generations
			Ebs: &launchtemplate.LaunchTemplateBlockDeviceMappingsEbs{
				VolumeType:          jsii.String("gp2"),
				VolumeSize:          jsii.Number(c.RootVolumeGiB),
				Encrypted:           jsii.String("true"),
				DeleteOnTermination: jsii.String("true"),
			},
		}},
		TagSpecifications: tagged,
	})
	if c.ContainerCredentials {
		suppress.Finding(template, "The environment file gives the container the credentials of the instance's role", "CKV_AWS_341")
	}
	return template
}

// groupMetrics are the metrics of the group
// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html).
var groupMetrics = []string{
	"GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances",
	"GroupPendingInstances", "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances",
}

func groupTags(c Config) []*autoscalinggroup.AutoscalingGroupTag {
	tags := []*autoscalinggroup.AutoscalingGroupTag{groupTag("Name", c.NamePrefix+"-backend")}
	for _, tag := range c.Tags {
		tags = append(tags, groupTag(tag.Key, tag.Value))
	}
	return tags
}

func groupTag(key, value string) *autoscalinggroup.AutoscalingGroupTag {
	return &autoscalinggroup.AutoscalingGroupTag{
		Key:               jsii.String(key),
		Value:             jsii.String(value),
		PropagateAtLaunch: jsii.Bool(true),
	}
}
