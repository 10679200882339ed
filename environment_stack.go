package main

import (
	"strconv"

	"github.com/aws/jsii-runtime-go"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/modules/cache"
	"github.com/starttech/infrastructure/modules/compute"
	"github.com/starttech/infrastructure/modules/domain"
	"github.com/starttech/infrastructure/modules/frontend"
	"github.com/starttech/infrastructure/modules/identity"
	"github.com/starttech/infrastructure/modules/loadbalancer"
	"github.com/starttech/infrastructure/modules/logs"
	"github.com/starttech/infrastructure/modules/monitoring"
	"github.com/starttech/infrastructure/modules/network"
	"github.com/starttech/infrastructure/modules/registry"
	"github.com/starttech/infrastructure/modules/release"
	"github.com/starttech/infrastructure/modules/securitygroups"
	"github.com/starttech/infrastructure/userdata"
)

// newEnvironmentStack is the whole architecture, in the order of a request: viewer -> CloudFront -> S3 or load
// balancer -> instances -> Redis; logs and metrics -> CloudWatch -> alarms.
func newEnvironmentStack(app cdktf.App, e config.Environment) {
	stack := cdktf.NewTerraformStack(app, jsii.String(e.Name))
	newStateBackend(stack, e.Account, e.Region, e.Name)
	tags := []compute.Tag{
		{Key: "project", Value: config.Project},
		{Key: "environment", Value: e.Name},
		{Key: "managed-by", Value: "terraform"},
		{Key: "repository", Value: e.Repository},
	}
	defaultTags := map[string]*string{}
	for _, tag := range tags {
		defaultTags[tag.Key] = jsii.String(tag.Value)
	}
	newProvider(stack, "aws", e.Account, e.Region, defaultTags)
	// Also without a domain: the resources of a domain that is taken out again are destroyed with the provider that
	// created them, and Terraform refuses to destroy them if it is gone.
	usEast1 := newProvider(stack, "us_east_1", e.Account, "us-east-1", defaultTags)

	scope := newScope(stack)
	boundary := config.BoundaryARN(e.Account)

	net := network.New(scope, network.Config{
		Name:               e.Prefix(),
		Path:               e.Path(),
		Region:             e.Region,
		CIDR:               e.Network.CIDR,
		Zones:              e.Network.AvailabilityZones,
		NATGateways:        e.Network.NATGateways,
		InterfaceEndpoints: e.Network.InterfaceEndpoints,
		FlowLogs:           e.Network.FlowLogs,
		LogRetentionDays:   e.Monitoring.LogRetentionDays,
		Boundary:           boundary,
		Protected:          e.DeletionProtection,
	})
	groups := securitygroups.New(scope, securitygroups.Config{
		Name:        e.Prefix(),
		VPCID:       net.VPCID,
		BackendPort: config.BackendPort,
		SSHCIDRs:    e.Network.SSHCIDRs,
	})

	var name domain.Config
	certificates := &domain.Output{}
	if e.Domain != nil {
		name = domain.Config{
			Name:    e.Domain.Name,
			ZoneID:  e.Domain.HostedZoneID,
			USEast1: usEast1,
		}
		certificates = domain.New(scope, name)
	}
	balancer := loadbalancer.New(scope, loadbalancer.Config{
		Name:                       e.Prefix(),
		VPCID:                      net.VPCID,
		SubnetIDs:                  net.PublicSubnetIDs,
		Gateway:                    net.InternetGateway,
		SecurityGroupID:            groups.LoadBalancerID,
		CertificateARN:             certificates.LoadBalancerARN,
		BackendPort:                config.BackendPort,
		HealthCheckPath:            e.LoadBalancer.HealthCheckPath,
		HealthCheckIntervalSeconds: e.LoadBalancer.HealthCheckIntervalSeconds,
		DeregistrationDelaySeconds: e.LoadBalancer.DeregistrationDelaySeconds,
		DeletionProtection:         e.DeletionProtection,
	})
	site := frontend.New(scope, frontend.Config{
		Name:                    e.Prefix(),
		Account:                 e.Account,
		LoadBalancer:            balancer,
		Domain:                  name.Name,
		CertificateARN:          certificates.SiteARN,
		APIPaths:                e.Frontend.APIPaths,
		PriceClass:              e.Frontend.PriceClass,
		OldVersionRetentionDays: e.Frontend.OldVersionRetentionDays,
		Protected:               e.DeletionProtection,
	})
	if e.Domain != nil {
		domain.Point(scope, name, site.Distribution)
	}

	redis := cache.New(scope, cache.Config{
		Name:                  e.Prefix(),
		SubnetIDs:             net.PrivateSubnetIDs,
		SecurityGroupID:       groups.RedisID,
		NodeType:              e.Cache.NodeType,
		EngineVersion:         e.Cache.EngineVersion,
		Replicas:              e.Cache.Replicas,
		SnapshotRetentionDays: e.Cache.SnapshotRetentionDays,
		SnapshotWindow:        e.Cache.SnapshotWindow,
		MaintenanceWindow:     e.Cache.MaintenanceWindow,
		TransitEncryption:     e.Cache.TransitEncryption,
		Protected:             e.DeletionProtection,
	})
	images := registry.New(scope, registry.Config{
		Name:         e.Prefix(),
		Path:         e.Path(),
		KeepImages:   e.Registry.KeepImages,
		UntaggedDays: e.Registry.UntaggedDays,
		Protected:    e.DeletionProtection,
	})
	groupsOfLogs := logs.New(scope, logs.Config{
		Name:            e.Prefix(),
		Path:            e.Path(),
		Account:         e.Account,
		Region:          e.Region,
		LoadBalancerARN: balancer.ARN,
		RetentionDays:   e.Monitoring.LogRetentionDays,
		Protected:       e.DeletionProtection,
	})

	parameterPath := e.Path() + "/backend/"
	instance := identity.New(scope, identity.Config{
		Name:              e.Prefix(),
		Account:           e.Account,
		Region:            e.Region,
		Boundary:          boundary,
		ParameterPath:     parameterPath,
		RepositoryARN:     images.RepositoryARN,
		ReleaseARN:        images.ReleaseARN,
		LogGroupARN:       groupsOfLogs.BackendARN,
		FrontendBucketARN: site.BucketARN,
		SessionManager:    e.Backend.SessionManager,
	})
	redisAddress := *redis.PrimaryEndpointAddress() + ":6379"
	backend := compute.New(scope, compute.Config{
		Name:            e.Prefix(),
		SubnetIDs:       net.PrivateSubnetIDs,
		SecurityGroupID: groups.InstancesID,
		TargetGroupARN:  balancer.TargetGroupARN,
		Identity:        instance,
		Boot: userdata.Settings{
			Region:           e.Region,
			RepositoryURL:    *images.RepositoryURL,
			ReleaseParameter: *images.ReleaseName,
			ParameterPath:    parameterPath,
			LogGroup:         *groupsOfLogs.BackendName,
			Port:             config.BackendPort,
			HealthCheckPath:  e.LoadBalancer.HealthCheckPath,
			Environment:      backendVariables(redisAddress, site.PublicName),
		},
		Tags:             tags,
		After:            net.WaysOut,
		AmazonLinux:      e.Backend.AmazonLinux,
		InstanceType:     e.Backend.InstanceType,
		RootVolumeGiB:    e.Backend.RootVolumeGiB,
		MinSize:          e.Backend.MinSize,
		MaxSize:          e.Backend.MaxSize,
		DesiredCapacity:  e.Backend.DesiredCapacity,
		TargetCPUPercent: e.Backend.TargetCPUPercent,
		SpotPercent:      e.Backend.SpotPercent,
		WarmupSeconds:    e.Backend.WarmupSeconds,
	})

	releaseRole := release.New(scope, release.Config{
		Name:                  e.Prefix(),
		Environment:           e.Name,
		Account:               e.Account,
		Boundary:              boundary,
		ApplicationRepository: e.ApplicationRepository,
		RepositoryARN:         images.RepositoryARN,
		ReleaseARN:            images.ReleaseARN,
		AutoScalingGroupARN:   backend.ARN,
		FrontendBucketARN:     site.BucketARN,
		DistributionARN:       site.Distribution.Arn(),
	})

	watch := monitoring.New(scope, monitoring.Config{
		Name:                 e.Prefix(),
		Account:              e.Account,
		Region:               e.Region,
		LoadBalancer:         balancer,
		AutoScalingGroupName: backend.Name,
		RedisID:              redis.Id(),
		RedisNodes:           1 + e.Cache.Replicas,
		RedisNodeType:        e.Cache.NodeType,
		MinSize:              e.Backend.MinSize,
		AlarmEmails:          e.Monitoring.AlarmEmails,
	})

	newOutput(stack, "site_address", "Address of the site; the API answers under the same name", "https://"+site.PublicName)
	newOutput(stack, "load_balancer_name", "DNS name of the load balancer", balancer.DNSName)
	newOutput(stack, "distribution_id", "Id of the CloudFront distribution, for invalidations", site.Distribution.Id())
	newOutput(stack, "frontend_bucket", "S3 bucket of the site's files", site.BucketName)
	newOutput(stack, "ecr_repository", "ECR repository that images of the backend are pushed to", images.RepositoryURL)
	newOutput(stack, "auto_scaling_group", "Auto Scaling group of the backend, for instance refreshes", backend.Name)
	newOutput(stack, "release_parameter", "SSM parameter that names the image tag to run", images.ReleaseName)
	newOutput(stack, "release_role", "IAM role that the application's pipeline assumes to release", releaseRole.Arn())
	newOutput(stack, "aws_region", "AWS region of all of it", e.Region)
	newOutput(stack, "parameter_path", "Path of the SSM parameters that become the backend's environment variables", parameterPath)
	newOutput(stack, "backend_log_group", "Log group of the backend", groupsOfLogs.BackendName)
	newOutput(stack, "access_log_group", "Log group of the load balancer's access logs", groupsOfLogs.AccessName)
	newOutput(stack, "redis_endpoint", "Host and port of Redis", redisAddress)
	newOutput(stack, "nat_addresses", "Public addresses that the backend's requests come from, for MongoDB Atlas's access list", net.NATAddresses)
	newOutput(stack, "dashboard_link", "CloudWatch dashboard", "https://"+e.Region+".console.aws.amazon.com/cloudwatch/home?region="+e.Region+"#dashboards/dashboard/"+*watch.DashboardName)
	newOutput(stack, "alarm_topic", "SNS topic that carries the alarms", watch.TopicARN)
}

// backendVariables is what Terraform knows of the application's environment. The operator's parameters are added
// to it at boot and win over it.
func backendVariables(redisAddress, publicName string) map[string]string {
	return map[string]string{
		"PORT":            strconv.Itoa(config.BackendPort),
		"LOG_FORMAT":      "json",
		"LOG_LEVEL":       "INFO",
		"ENABLE_CACHE":    "true",
		"REDIS_ADDR":      redisAddress,
		"ALLOWED_ORIGINS": "https://" + publicName,
		"COOKIE_DOMAINS":  publicName,
		"SECURE_COOKIE":   "true",
	}
}
