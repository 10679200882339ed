package claims

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

func TestTheImageIsOfTheGenerationInTheFile(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		backend := s.Environment().Backend
		_, template := s.Only(t, "aws_launch_template")
		if backend.ImageID != "" {
			template.Want(t, backend.ImageID, "image_id")
			return
		}
		template.Want(t, ref("data.aws_ssm_parameter.amazon_linux", "insecure_value"), "image_id")
		s.Resource(t, "data.aws_ssm_parameter.amazon_linux").Want(t, map[string]string{
			"al2":    "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
			"al2023": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
		}[backend.AmazonLinux], "name")
	})
}

// A request of the container is a second hop away from the metadata service, which hands out the credentials.
func TestTheContainerGetsCredentialsOnlyIfTheFileSaysSo(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, template := s.Only(t, "aws_launch_template")
		template.Want(t, map[bool]float64{false: 1, true: 2}[s.Environment().Backend.ContainerCredentials], "metadata_options", "http_put_response_hop_limit")
	})
}

func TestInstancesAndVolumesHaveTheDefaultTags(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		want := map[string]any{"Name": s.Environment().NamePrefix() + "-backend"}
		for key, value := range defaultTags(t, s) {
			want[key] = value
		}
		_, template := s.Only(t, "aws_launch_template")
		var kinds []string
		specifications, _ := template.Get("tag_specifications").([]any)
		for i := range specifications {
			kinds = append(kinds, template.Text("tag_specifications", i, "resource_type"))
			equal(t, "tags", template.Get("tag_specifications", i, "tags"), want)
		}
		equalSets(t, "tagged", kinds, []string{"instance", "volume", "network-interface"})

		_, group := s.Only(t, "aws_autoscaling_group")
		got := map[string]any{}
		for _, tag := range group.Get("tag").([]any) {
			tag := resource(tag.(map[string]any))
			tag.Want(t, true, "propagate_at_launch")
			got[tag.Text("key")] = tag.Get("value")
		}
		equal(t, "tags of the group", got, want)
	})
}

// isBurstable reports whether an instance type has CPU credits.
func isBurstable(instanceType string) bool {
	family, _, _ := strings.Cut(instanceType, ".")
	return slices.Contains([]string{"t2", "t3", "t3a"}, family)
}

// RunInstances refuses a credit specification for other types.
func TestOnlyBurstableInstancesHaveACreditSpecification(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, template := s.Only(t, "aws_launch_template")
		var want any
		if isBurstable(template.Text("instance_type")) {
			want = map[string]any{"cpu_credits": s.Environment().Backend.CPUCredits}
		}
		template.Want(t, want, "credit_specification")
	})
}

func TestTheInstancesAreInThePrivateSubnetsBehindTheLoadBalancer(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, group := s.Only(t, "aws_autoscaling_group")
		equalSets(t, "subnets", group.Strings("vpc_zone_identifier"), refs("id", subnets(t, s, false)...))
		equal(t, "target groups", group.Strings("target_group_arns"), refs("arn", "aws_lb_target_group.backend_targets"))
	})
}

// Without further types, the launch template's applies.
func TestSpotInstancesAreOfTheTypesOfTheFile(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		backend := s.Environment().Backend
		var want []any
		for _, instanceType := range append([]string{backend.InstanceType}, backend.InstanceTypes...) {
			if len(backend.InstanceTypes) > 0 {
				want = append(want, map[string]any{"instance_type": instanceType})
			}
		}
		_, group := s.Only(t, "aws_autoscaling_group")
		got, _ := group.Get("mixed_instances_policy", "launch_template", "override").([]any)
		equal(t, "instance types", got, want)
	})
}

// A refresh starts when the version changes. $Latest never changes.
func TestANewLaunchTemplateStartsARefresh(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, group := s.Only(t, "aws_autoscaling_group")
		specification := at("launch_template", "version")
		if s.Environment().Backend.SpotPercent > 0 {
			specification = at("mixed_instances_policy", "launch_template", "launch_template_specification", "version")
			group.Want(t, nil, "launch_template")
			group.Want(t, 1.0, "mixed_instances_policy", "instances_distribution", "on_demand_base_capacity")
			group.Want(t, "price-capacity-optimized", "mixed_instances_policy", "instances_distribution", "spot_allocation_strategy")
		} else {
			group.Want(t, nil, "mixed_instances_policy")
		}
		group.Want(t, ref("aws_launch_template.backend_launch_template", "latest_version"), specification...)
	})
}

func TestNoInstanceBootsBeforeItCanReachAWS(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		want := []string{"aws_iam_role_policy.instance_permissions"}
		for address, route := range s.OfType("aws_route") {
			if route.Text("nat_gateway_id") != "" {
				want = append(want, address)
			}
		}
		for address, endpoint := range s.OfType("aws_vpc_endpoint") {
			if !isDatabaseEndpoint(endpoint) {
				want = append(want, address)
			}
		}
		_, group := s.Only(t, "aws_autoscaling_group")
		for _, address := range want {
			if !slices.Contains(group.Strings("depends_on"), address) {
				t.Errorf("instances do not wait for %s", address)
			}
		}
	})
}

var bootSetting = regexp.MustCompile(`(?ms)^([A-Z_]+)='(.*?)'$`)

func TestUserDataHasTheSettings(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		s.Resource(t, "aws_launch_template.backend_launch_template").Want(t, "${base64encode(local.boot_script)}", "user_data")
		script := resource(s.Body).Text("locals", "boot_script")
		if !strings.HasPrefix(script, "#!/bin/bash\n") {
			t.Errorf("cloud-init does not run a script that begins with %q", script[:20])
		}
		header, _, _ := strings.Cut(script, "\nset -euo pipefail")
		settings := resource{}
		for _, m := range bootSetting.FindAllStringSubmatch(header, -1) {
			settings[m[1]] = m[2]
		}
		site := ref("aws_cloudfront_distribution.frontend_distribution", "domain_name")
		if e.Domain != nil {
			site = e.Domain.Name
		}

		environment := settings.Text("ENVIRONMENT")
		delete(settings, "ENVIRONMENT")
		delete(settings, "AGENT_CONFIG") // TestTheAgentCollectsWhatTheFileSays
		delete(settings, "SECRETS")      // TestInstancesReadTheSecretsOfTheirEnvironment
		equal(t, "settings", settings, resource{
			"REGION":            e.Region,
			"REPOSITORY_URL":    ref("aws_ecr_repository.backend_images", "repository_url"),
			"RELEASE_PARAMETER": ref("aws_ssm_parameter.release", "name"),
			"PARAMETER_PATH":    e.PathPrefix() + "/backend/",
			"LOG_GROUP":         ref("aws_cloudwatch_log_group.backend_logs", "name"),
			"PORT":              "8080",
			"DOCKER_BRIDGE":     e.DockerBridge(),
			"HEALTH_CHECK_PATH": e.LoadBalancer.HealthCheckPath,
		})
		want := []string{
			"PORT=8080",
			"LOG_FORMAT=json",
			"LOG_LEVEL=INFO",
			"ENABLE_CACHE=true",
			"REDIS_ADDR=" + ref("aws_elasticache_replication_group.redis", "primary_endpoint_address") + ":6379",
			"ALLOWED_ORIGINS=https://" + site,
			"COOKIE_DOMAINS=" + site,
			"SECURE_COOKIE=true",
		}
		equalSets(t, "the backend's variables", strings.Split(environment, "\n"), append(want, tracingVariables(e)...))
	})
}

func TestTheReleaseParameterIsWrittenByReleases(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		release := s.Resource(t, "aws_ssm_parameter.release")
		release.Want(t, "/"+config.Project+"/"+s.Name+"/release", "name")
		equal(t, "ignored", release.Strings("lifecycle", "ignore_changes"), []string{"insecure_value", "allowed_pattern"})
	})
}
