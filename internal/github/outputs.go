package github

// PublishedOutput is an output of an environment's stack, under its name in the application's repository.
type PublishedOutput struct {
	Name   string // of the variable or secret
	Output string // of the stack
	Secret bool
}

// PublishedOutputs are what the application's pipeline needs, as variables and secrets of its GitHub environment.
var PublishedOutputs = []PublishedOutput{
	{Name: "AWS_REGION", Output: "aws_region"},
	{Name: "SITE_URL", Output: "site_url"},
	{Name: "ECR_REPOSITORY", Output: "ecr_repository_url"},
	{Name: "RELEASE_PARAMETER", Output: "release_parameter"},
	{Name: "AUTO_SCALING_GROUP", Output: "auto_scaling_group_name"},
	{Name: "FRONTEND_BUCKET", Output: "frontend_bucket"},
	{Name: "DISTRIBUTION_ID", Output: "distribution_id"},
	{Name: "VITE_API_BASE_URL", Output: "site_url"}, // page and API have the same domain name
	// A variable, because secrets of an environment do not reach a called workflow of another repository
	// (https://docs.github.com/en/actions/how-tos/reuse-automations/reuse-workflows). The ARN gives no access: the role's trust policy does.
	{Name: "RELEASE_ROLE", Output: "release_role_arn"},
}
