package main

import (
	"maps"
	"strconv"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/elasticachereplicationgroup"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/modules/backup"
	"github.com/starttech/infrastructure/modules/cache"
	"github.com/starttech/infrastructure/modules/compute"
	"github.com/starttech/infrastructure/modules/dns"
	"github.com/starttech/infrastructure/modules/firewall"
	"github.com/starttech/infrastructure/modules/frontend"
	"github.com/starttech/infrastructure/modules/guardduty"
	"github.com/starttech/infrastructure/modules/instancemetrics"
	"github.com/starttech/infrastructure/modules/instancerole"
	"github.com/starttech/infrastructure/modules/loadbalancer"
	"github.com/starttech/infrastructure/modules/logs"
	"github.com/starttech/infrastructure/modules/monitoring"
	"github.com/starttech/infrastructure/modules/network"
	"github.com/starttech/infrastructure/modules/registry"
	"github.com/starttech/infrastructure/modules/releaserole"
	"github.com/starttech/infrastructure/modules/secrets"
	"github.com/starttech/infrastructure/modules/securitygroups"
	"github.com/starttech/infrastructure/modules/shield"
	"github.com/starttech/infrastructure/modules/tracing"
	"github.com/starttech/infrastructure/userdata"
)

// newEnvironmentStack is the whole architecture, in the order of a request: viewer -> CloudFront -> S3 or load
// balancer -> instances -> Redis; logs and metrics -> CloudWatch -> alarms.
//
// functions is the code of the Lambda functions that the environment has.
func newEnvironmentStack(app cdktf.App, e config.Environment, functions functions) {
	stack := cdktf.NewTerraformStack(app, jsii.String(e.Name))
	newStateBackend(stack, e, e.Name)
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
	// Also without a domain: Terraform destroys the certificate of a removed domain with the provider that created it.
	usEast1 := newProvider(stack, "us_east_1", e.Account, "us-east-1", defaultTags)

	scope := newScope(stack)
	deliveryBoundary := config.PolicyARN(e.Account, config.DeliveryBoundary)

	vpc := network.New(scope, network.Config{
		NamePrefix:          e.NamePrefix(),
		PathPrefix:          e.PathPrefix(),
		Account:             e.Account,
		Region:              e.Region,
		Network:             e.Network,
		LogRetentionDays:    e.Monitoring.LogRetentionDays,
		PermissionsBoundary: deliveryBoundary,
		DeletionProtection:  e.DeletionProtection,
	})
	groups := securitygroups.New(scope, securitygroups.Config{
		NamePrefix:  e.NamePrefix(),
		VPCID:       vpc.VPCID,
		BackendPort: config.BackendPort,
		SSHCIDRs:    e.Network.SSHCIDRs,

		PrivateOrigin: e.Network.PrivateOrigin,
		HTTPS:         e.Domain != nil,
	})

	certificates := &dns.Output{}
	if e.Domain != nil {
		certificates = dns.New(scope, dns.Config{Domain: *e.Domain, USEast1: usEast1})
	}
	tier := vpc.PublicSubnetIDs
	if e.Network.PrivateOrigin {
		tier = vpc.PrivateSubnetIDs
	}
	alb := loadbalancer.New(scope, loadbalancer.Config{
		NamePrefix:         e.NamePrefix(),
		VPCID:              vpc.VPCID,
		SubnetIDs:          tier,
		Private:            e.Network.PrivateOrigin,
		InternetGateway:    vpc.InternetGateway,
		SecurityGroupID:    groups.LoadBalancerID,
		CertificateARN:     certificates.LoadBalancerARN,
		BackendPort:        config.BackendPort,
		LoadBalancer:       e.LoadBalancer,
		DeletionProtection: e.DeletionProtection,
	})
	site := frontend.New(scope, frontend.Config{
		NamePrefix:         e.NamePrefix(),
		Account:            e.Account,
		LoadBalancer:       alb,
		Domain:             e.Domain,
		CertificateARN:     certificates.CloudFrontARN,
		Frontend:           e.Frontend,
		DeletionProtection: e.DeletionProtection,
	})
	if e.Domain != nil {
		dns.NewAliasRecords(scope, *e.Domain, certificates.ZoneID, site.Distribution)
	}

	redis := cache.New(scope, cache.Config{
		NamePrefix:         e.NamePrefix(),
		SubnetIDs:          vpc.PrivateSubnetIDs,
		SecurityGroupID:    groups.RedisID,
		Cache:              e.Cache,
		DeletionProtection: e.DeletionProtection,
	})
	images := registry.New(scope, registry.Config{
		NamePrefix:         e.NamePrefix(),
		PathPrefix:         e.PathPrefix(),
		Registry:           e.Registry,
		DeletionProtection: e.DeletionProtection,
	})
	logGroups := logs.New(scope, logs.Config{
		NamePrefix:         e.NamePrefix(),
		PathPrefix:         e.PathPrefix(),
		Account:            e.Account,
		Region:             e.Region,
		LoadBalancerName:   alb.Name,
		LoadBalancerARN:    alb.ARN,
		LogRetentionDays:   e.Monitoring.LogRetentionDays,
		DeletionProtection: e.DeletionProtection,
	})

	parameterPath := e.PathPrefix() + "/backend/"
	instanceRole := instancerole.New(scope, instancerole.Config{
		NamePrefix:          e.NamePrefix(),
		Account:             e.Account,
		Region:              e.Region,
		PermissionsBoundary: config.PolicyARN(e.Account, config.InstanceBoundary),
		ParameterPath:       parameterPath,
		RepositoryARN:       images.RepositoryARN,
		ReleaseParameterARN: images.ReleaseParameterARN,
		LogGroupARN:         logGroups.BackendARN,
		FrontendBucketARN:   site.BucketARN,
		SessionManager:      e.Backend.SessionManager,
	})
	redisAddress := *redis.PrimaryEndpointAddress() + ":6379"
	backend := compute.New(scope, compute.Config{
		NamePrefix:      e.NamePrefix(),
		SubnetIDs:       vpc.PrivateSubnetIDs,
		SecurityGroupID: groups.InstancesID,
		TargetGroupARN:  alb.TargetGroupARN,
		Role:            instanceRole,
		UserData: userdata.Settings{
			Region:           e.Region,
			RepositoryURL:    *images.RepositoryURL,
			ReleaseParameter: *images.ReleaseParameterName,
			ParameterPath:    parameterPath,
			LogGroup:         *logGroups.BackendName,
			Port:             config.BackendPort,
			HealthCheckPath:  e.LoadBalancer.HealthCheckPath,
			DockerBridge:     e.DockerBridge(),
			Agent:            newAgent(e),
			Secrets:          e.SecretNames(),
			Environment:      backendVariables(e, redisAddress, site.PublicName),
		},
		Tags:      tags,
		DependsOn: vpc.Egress,
		Backend:   e.Backend,
	})

	releaseRole := releaserole.New(scope, releaserole.Config{
		NamePrefix:              e.NamePrefix(),
		Environment:             e.Name,
		Account:                 e.Account,
		PermissionsBoundary:     deliveryBoundary,
		Repository:              e.Repository,
		ApplicationRepository:   e.ApplicationRepository,
		ApplicationRepositoryID: e.ApplicationRepositoryID,
		RepositoryARN:           images.RepositoryARN,
		ReleaseParameterARN:     images.ReleaseParameterARN,
		AutoScalingGroupARN:     backend.ARN,
		FrontendBucketARN:       site.BucketARN,
		DistributionARN:         site.Distribution.Arn(),
	})

	monitored := monitoring.Config{
		NamePrefix:           e.NamePrefix(),
		Account:              e.Account,
		Region:               e.Region,
		LoadBalancer:         alb,
		AutoScalingGroupName: backend.Name,
		RedisNodes:           redis.MemberClusters(),
		Backend:              e.Backend,
		Cache:                e.Cache,
		AlarmEmails:          e.Monitoring.AlarmEmails,
		Runbook:              e.Runbook(),
	}
	if e.GuardDuty != nil {
		monitored.Publishers = append(monitored.Publishers, guardduty.Publisher())
	}
	alarms := monitoring.New(scope, monitored)
	graphs := newOptionalParts(scope, e, parts{
		vpc:          vpc,
		groups:       groups,
		loadBalancer: alb,
		site:         site,
		usEast1:      usEast1,
		redis:        redis,
		backend:      backend,
		instanceRole: instanceRole,
		alarms:       alarms,
		certificates: certificates,
		functions:    functions,
	})
	dashboardName := monitoring.NewDashboard(scope, monitored, graphs)

	newOutput(stack, "site_url", "URL of the site, and of the API", "https://"+site.PublicName)
	newOutput(stack, "load_balancer_dns_name", "DNS name of the load balancer", alb.DNSName)
	newOutput(stack, "distribution_id", "Id of the CloudFront distribution, for invalidations", site.Distribution.Id())
	newOutput(stack, "frontend_bucket", "S3 bucket of the frontend's files", site.BucketName)
	newOutput(stack, "ecr_repository_url", "ECR repository of the backend's images", images.RepositoryURL)
	newOutput(stack, "auto_scaling_group_name", "Auto Scaling group of the backend, for instance refreshes", backend.Name)
	newOutput(stack, "release_parameter", "SSM parameter with the image tag that the instances run", images.ReleaseParameterName)
	newOutput(stack, "release_role_arn", "IAM role that the application's pipeline assumes to release", releaseRole.Arn())
	newOutput(stack, "aws_region", "AWS region", e.Region)
	newOutput(stack, "parameter_path", "Path of the SSM parameters that become the backend's environment variables", parameterPath)
	newOutput(stack, "backend_log_group", "Log group of the backend", logGroups.BackendName)
	newOutput(stack, "access_log_group", "Log group of the load balancer's access logs", logGroups.AccessName)
	newOutput(stack, "redis_endpoint", "Host and port of Redis", redisAddress)
	newOutput(stack, "nat_public_ips", "Public IPs of the backend's requests, for the access list of MongoDB Atlas", vpc.NATPublicIPs)
	newOutput(stack, "dashboard_url", "CloudWatch dashboard", "https://"+e.Region+".console.aws.amazon.com/cloudwatch/home?region="+e.Region+"#dashboards/dashboard/"+*dashboardName)
	newOutput(stack, "alarm_topic_arn", "SNS topic of the alarms", alarms.TopicARN)
}

// backendVariables are the application's environment variables that Terraform sets. At boot, the operator's parameters are
// added. A parameter of the same name takes precedence.
func backendVariables(e config.Environment, redisAddress, publicName string) map[string]string {
	variables := map[string]string{
		"PORT":            strconv.Itoa(config.BackendPort),
		"LOG_FORMAT":      "json",
		"LOG_LEVEL":       "INFO",
		"ENABLE_CACHE":    "true",
		"REDIS_ADDR":      redisAddress,
		"ALLOWED_ORIGINS": "https://" + publicName,
		"COOKIE_DOMAINS":  publicName,
		"SECURE_COOKIE":   "true",
	}
	if e.Tracing != nil {
		maps.Copy(variables, tracing.Variables(e.NamePrefix(), e.BridgeAddress()))
	}
	return variables
}

// newAgent is what the instances collect: traces, metrics, both or nothing.
func newAgent(e config.Environment) (agent userdata.Agent) {
	if e.Tracing != nil {
		agent.TracesAddress = e.BridgeAddress()
	}
	if e.Backend.InstanceMetrics {
		agent.Namespace, agent.GroupName = instancemetrics.Namespace(e.NamePrefix()), compute.GroupName(e.NamePrefix())
	}
	return agent
}

// parts is what the optional parts of an environment belong to.
type parts struct {
	vpc          *network.Output
	groups       *securitygroups.Output
	loadBalancer *loadbalancer.Output
	site         *frontend.Output
	usEast1      cdktf.TerraformProvider
	redis        elasticachereplicationgroup.ElasticacheReplicationGroup
	backend      *compute.Output
	instanceRole *instancerole.Output
	alarms       monitoring.Alarms
	certificates *dns.Output // empty without a domain
	functions    functions
}

// newOptionalParts creates the optional blocks of the environment file, and returns their graphs of the dashboard. The required parts do not
// know them.
func newOptionalParts(scope constructs.Construct, e config.Environment, p parts) []monitoring.Graph {
	var graphs []monitoring.Graph
	if e.Schedule != nil {
		compute.NewSchedule(scope, p.backend, *e.Schedule)
	}
	if e.Database != nil {
		endpointID := network.NewDatabase(scope, network.DatabaseConfig{
			NamePrefix:       e.NamePrefix(),
			VPC:              p.vpc,
			InstancesGroupID: p.groups.InstancesID,
			Database:         *e.Database,
		})
		if endpointID != nil {
			newOutput(cdktf.TerraformStack_Of(scope), "database_endpoint_id", "Id of the interface endpoint, which MongoDB Atlas asks for", endpointID)
		}
	}
	if e.Tracing != nil {
		tracing.New(scope, tracing.Config{
			NamePrefix:      e.NamePrefix(),
			HealthCheckPath: e.LoadBalancer.HealthCheckPath,
			RoleID:          p.instanceRole.RoleID,
			Tracing:         *e.Tracing,
		})
	}
	if e.Backend.InstanceMetrics {
		graphs = append(graphs, instancemetrics.New(scope, instancemetrics.Config{
			NamePrefix:           e.NamePrefix(),
			AutoScalingGroupName: p.backend.Name,
			RoleID:               p.instanceRole.RoleID,
			Alarms:               p.alarms,
		})...)
	}
	if e.GuardDuty != nil {
		guardduty.NewNotifications(scope, guardduty.Notifications{NamePrefix: e.NamePrefix(), Region: e.Region, TopicARN: p.alarms.TopicARN, Runbook: p.alarms.Runbook})
	}
	if e.Frontend.AccessLogs {
		logs.NewCloudFront(scope, logs.CloudFrontConfig{
			NamePrefix:         e.NamePrefix(),
			PathPrefix:         e.PathPrefix(),
			Account:            e.Account,
			DistributionARN:    p.site.Distribution.Arn(),
			LogRetentionDays:   e.Monitoring.LogRetentionDays,
			DeletionProtection: e.DeletionProtection,
			USEast1:            p.usEast1,
		})
	}
	if e.Domain != nil {
		graphs = append(graphs, dns.NewRenewalAlarm(scope, p.alarms, p.certificates))
	}
	if e.Secrets != nil {
		own := secrets.New(scope, secrets.Config{
			NamePrefix:          e.NamePrefix(),
			PathPrefix:          e.PathPrefix(),
			Account:             e.Account,
			Region:              e.Region,
			PermissionsBoundary: config.PolicyARN(e.Account, config.RotationBoundary),
			Secrets:             *e.Secrets,
			LogRetentionDays:    e.Monitoring.LogRetentionDays,
			DeletionProtection:  e.DeletionProtection,
			InstanceRoleID:      p.instanceRole.RoleID,
			Group:               e.NamePrefix() + "-backend",
			WarmupSeconds:       e.Backend.WarmupSeconds,
			Alarms:              p.alarms,
			Code:                secrets.Code{File: rotationFile, Hash: p.functions.rotation.Hash},
			RedisAuth:           e.Cache.Auth,
		})
		waitFor(p.backend.Group, own.BeforeInstances)
		if own.UserGroup != nil {
			p.redis.SetUserGroupIds(&[]*string{own.UserGroup.Id()})
			waitFor(p.redis, own.BeforeInstances) // the rotation that gives the user its password has begun
		}
		graphs = append(graphs, own.Graph)
	}
	if e.Backup != nil {
		backup.Select(p.site.Bucket)
		graphs = append(graphs, backup.NewAlarms(scope, p.alarms, *e.Backup))
	}
	if e.Firewall != nil {
		graphs = append(graphs, firewall.New(scope, firewall.Config{
			NamePrefix:         e.NamePrefix(),
			Account:            e.Account,
			Region:             e.Region,
			USEast1:            p.usEast1,
			Distribution:       p.site.Distribution,
			LoadBalancer:       p.loadBalancer,
			Alarms:             p.alarms,
			AlarmEmails:        e.Monitoring.AlarmEmails,
			Firewall:           *e.Firewall,
			DeletionProtection: e.DeletionProtection,
		})...)
	} else {
		suppress.Finding(p.site.Distribution, suppress.NoWAF, "CKV_AWS_68", "CKV2_AWS_47")
		if !p.loadBalancer.Private { // the rule is for public ones
			suppress.Finding(p.loadBalancer.Resource, suppress.NoWAF, "CKV2_AWS_28")
		}
	}
	if e.Shield != nil {
		protected := shield.Config{
			NamePrefix:      e.NamePrefix(),
			Account:         e.Account,
			Region:          e.Region,
			DistributionARN: p.site.Distribution.Arn(),
			NATAddresses:    p.vpc.NATAddresses,
		}
		if !p.loadBalancer.Private {
			protected.LoadBalancerARN = p.loadBalancer.ARN
		}
		shield.NewProtections(scope, protected)
	}
	return graphs
}

// waitFor makes a resource wait for others.
func waitFor(resource cdktf.TerraformResource, others []cdktf.TerraformResource) {
	var addresses []string
	for _, other := range others {
		addresses = append(addresses, *other.TerraformResourceType()+"."+*other.FriendlyUniqueId())
	}
	resource.AddOverride(jsii.String("depends_on"), addresses) // appends
}
