// Package compute is the EC2 instances that run the backend, and the Auto Scaling group that keeps them alive.
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

	"github.com/starttech/infrastructure/modules/exception"
	"github.com/starttech/infrastructure/modules/identity"
	"github.com/starttech/infrastructure/userdata"
)

// Output is the Auto Scaling group.
type Output struct {
	Name *string
	ARN  *string
}

// Config says what an instance is, where it runs and how many there are.
type Config struct {
	Name            string // prefix of every physical name, "starttech-production"
	SubnetIDs       []*string
	SecurityGroupID *string
	TargetGroupARN  *string
	Identity        *identity.Output
	Boot            userdata.Settings
	Tags            []Tag                        // of instances, volumes and network interfaces; default tags do not reach them
	After           []cdktf.ITerraformDependable // what an instance's first boot needs: the way to the internet

	AmazonLinux      string // "al2" or "al2023"
	InstanceType     string
	RootVolumeGiB    int
	MinSize          int
	MaxSize          int
	DesiredCapacity  int // at the first deploy
	TargetCPUPercent int
	SpotPercent      int // of the instances above the first
	WarmupSeconds    int
}

// Tag is a tag, in an order that does not change.
type Tag struct{ Key, Value string }

// amiParameters are the public parameters in which AWS publishes its newest images
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html).
var amiParameters = map[string]string{
	"al2":    "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
	"al2023": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
}

// New creates
//
//	AutoScalingGroup -> LaunchTemplate -> AMI, InstanceProfile, SecurityGroup, user data
//	  -> Subnets, TargetGroup
//	  <- Policy (target tracking on CPU)
func New(scope constructs.Construct, config Config) *Output {
	template := newLaunchTemplate(scope, config)

	after := append([]cdktf.ITerraformDependable{config.Identity.Permissions}, config.After...)
	groupConfig := &autoscalinggroup.AutoscalingGroupConfig{
		Name:              jsii.String(config.Name + "-backend"),
		VpcZoneIdentifier: &config.SubnetIDs,
		MinSize:           jsii.Number(config.MinSize),
		MaxSize:           jsii.Number(config.MaxSize),
		DesiredCapacity:   jsii.Number(config.DesiredCapacity),

		TargetGroupArns:        &[]*string{config.TargetGroupARN},
		HealthCheckType:        jsii.String("ELB"),
		HealthCheckGracePeriod: jsii.Number(config.WarmupSeconds),
		DefaultInstanceWarmup:  jsii.Number(config.WarmupSeconds),
		EnabledMetrics:         jsii.Strings(groupMetrics...),

		// A new launch template replaces the instances one by one, and starts a new one before it ends an old one. If the
		// new instances stay unhealthy, the refresh fails and the old ones keep serving.
		//
		// There is no automatic rollback: it needs a desired configuration, and the provider has moved the group to the
		// new template before it starts the refresh. AWS would roll back to the bad template, and refuse every other
		// update of the group meanwhile (https://github.com/hashicorp/terraform-provider-aws/issues/34189).
		InstanceRefresh: &autoscalinggroup.AutoscalingGroupInstanceRefresh{
			Strategy: jsii.String("Rolling"),
			Preferences: &autoscalinggroup.AutoscalingGroupInstanceRefreshPreferences{
				MinHealthyPercentage: jsii.Number(100),
				MaxHealthyPercentage: jsii.Number(150),
				InstanceWarmup:       jsii.String(strconv.Itoa(config.WarmupSeconds)),
				AutoRollback:         jsii.Bool(false),
			},
		},
		Tag: groupTags(config),

		DependsOn: &after,
		// From the first deploy on, the number of instances is the scaling policy's.
		Lifecycle: &cdktf.TerraformResourceLifecycle{IgnoreChanges: &[]*string{jsii.String("desired_capacity")}},
	}
	version := cdktf.Token_AsString(template.LatestVersion(), nil)
	if config.SpotPercent > 0 {
		groupConfig.MixedInstancesPolicy = &autoscalinggroup.AutoscalingGroupMixedInstancesPolicy{
			LaunchTemplate: &autoscalinggroup.AutoscalingGroupMixedInstancesPolicyLaunchTemplate{
				LaunchTemplateSpecification: &autoscalinggroup.AutoscalingGroupMixedInstancesPolicyLaunchTemplateLaunchTemplateSpecification{
					LaunchTemplateId: template.Id(),
					Version:          version,
				},
			},
			InstancesDistribution: &autoscalinggroup.AutoscalingGroupMixedInstancesPolicyInstancesDistribution{
				OnDemandBaseCapacity:                jsii.Number(1), // one instance that AWS does not take back
				OnDemandPercentageAboveBaseCapacity: jsii.Number(100 - config.SpotPercent),
				SpotAllocationStrategy:              jsii.String("price-capacity-optimized"),
			},
		}
	} else {
		groupConfig.LaunchTemplate = &autoscalinggroup.AutoscalingGroupLaunchTemplate{Id: template.Id(), Version: version}
	}
	group := autoscalinggroup.NewAutoscalingGroup(scope, jsii.String("backend"), groupConfig)
	groupName := group.Name()

	autoscalingpolicy.NewAutoscalingPolicy(scope, jsii.String("backend_cpu"), &autoscalingpolicy.AutoscalingPolicyConfig{
		Name:                 jsii.String(config.Name + "-cpu"),
		AutoscalingGroupName: groupName,
		PolicyType:           jsii.String("TargetTrackingScaling"),
		TargetTrackingConfiguration: &autoscalingpolicy.AutoscalingPolicyTargetTrackingConfiguration{
			TargetValue: jsii.Number(config.TargetCPUPercent),
			PredefinedMetricSpecification: &autoscalingpolicy.AutoscalingPolicyTargetTrackingConfigurationPredefinedMetricSpecification{
				PredefinedMetricType: jsii.String("ASGAverageCPUUtilization"),
			},
		},
	})
	return &Output{Name: groupName, ARN: group.Arn()}
}

func newLaunchTemplate(scope constructs.Construct, config Config) launchtemplate.LaunchTemplate {
	ami := dataawsssmparameter.NewDataAwsSsmParameter(scope, jsii.String("amazon_linux"), &dataawsssmparameter.DataAwsSsmParameterConfig{
		Name: jsii.String(amiParameters[config.AmazonLinux]),
	})

	// A local of its own, because a script does not survive the quoting inside a function's argument.
	script := cdktf.NewTerraformLocal(scope, jsii.String("boot_script"), userdata.Template(config.Boot))

	tags := map[string]*string{"Name": jsii.String(config.Name + "-backend")}
	for _, tag := range config.Tags {
		tags[tag.Key] = jsii.String(tag.Value)
	}
	var tagged []*launchtemplate.LaunchTemplateTagSpecifications
	for _, kind := range []string{"instance", "volume", "network-interface"} {
		tagged = append(tagged, &launchtemplate.LaunchTemplateTagSpecifications{ResourceType: jsii.String(kind), Tags: &tags})
	}

	template := launchtemplate.NewLaunchTemplate(scope, jsii.String("backend_instance"), &launchtemplate.LaunchTemplateConfig{
		Name:                 jsii.String(config.Name + "-backend"),
		UpdateDefaultVersion: jsii.Bool(true),
		ImageId:              ami.InsecureValue(), // a public parameter: plans show it
		InstanceType:         jsii.String(config.InstanceType),
		IamInstanceProfile:   &launchtemplate.LaunchTemplateIamInstanceProfile{Arn: config.Identity.ProfileARN},
		UserData:             cdktf.Fn_Base64encode(script.AsString()),
		// CPU every minute instead of every five: the scaling policy sees a rush in time
		// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html).
		Monitoring: &launchtemplate.LaunchTemplateMonitoring{Enabled: jsii.Bool(true)},
		NetworkInterfaces: []*launchtemplate.LaunchTemplateNetworkInterfaces{{
			DeviceIndex:              jsii.Number(0),
			AssociatePublicIpAddress: jsii.String("false"),
			SecurityGroups:           &[]*string{config.SecurityGroupID},
			DeleteOnTermination:      jsii.String("true"),
		}},
		MetadataOptions: &launchtemplate.LaunchTemplateMetadataOptions{
			HttpEndpoint: jsii.String("enabled"),
			HttpTokens:   jsii.String("required"), // IMDSv2 only
			// Two hops: a container's request to the metadata service passes the host.
			HttpPutResponseHopLimit: jsii.Number(2),
		},
		BlockDeviceMappings: []*launchtemplate.LaunchTemplateBlockDeviceMappings{{
			DeviceName: jsii.String("/dev/xvda"), // the root device of both Amazon Linux generations
			Ebs: &launchtemplate.LaunchTemplateBlockDeviceMappingsEbs{
				VolumeType:          jsii.String("gp2"),
				VolumeSize:          jsii.Number(config.RootVolumeGiB),
				Encrypted:           jsii.String("true"),
				DeleteOnTermination: jsii.String("true"),
			},
		}},
		TagSpecifications: tagged,
	})
	exception.Accept(template, "A container's request to the metadata service passes the host, which is a second hop", "CKV_AWS_341")
	return template
}

// groupMetrics is every metric of the group itself
// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html).
var groupMetrics = []string{
	"GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances",
	"GroupPendingInstances", "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances",
}

func groupTags(config Config) []*autoscalinggroup.AutoscalingGroupTag {
	tags := []*autoscalinggroup.AutoscalingGroupTag{groupTag("Name", config.Name+"-backend")}
	for _, tag := range config.Tags {
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
