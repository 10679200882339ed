package terraform

import "testing"

// What AWS and Terraform say, as they say it, and what a person reads of it.
func TestARefusalSaysWhatToDo(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{
			"an action of EC2 that a role lacks", `
╷
│ Error: creating EC2 VPC: operation error EC2: CreateVpc, https response error StatusCode: 403, RequestID: 1b2, api error UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/starttech-plan/GitHubActions is not authorized to perform: ec2:CreateVpc on resource: arn:aws:ec2:eu-west-1:123456789012:vpc/* because no identity-based policy allows the ec2:CreateVpc action. Encoded authorization failure message: x
│
│   with aws_vpc.network,
`,
			"deploy staging: arn:aws:sts::123456789012:assumed-role/starttech-plan/GitHubActions may not ec2:CreateVpc on resource: arn:aws:ec2:eu-west-1:123456789012:vpc/*: use other credentials, or add the action to modules/pipeline and run make deploy ENV=bootstrap",
		},
		{
			"an action without a resource",
			"Error: reading: api error AccessDenied: User: arn:aws:iam::1:user/ann is not authorized to perform: elasticloadbalancing:DescribeLoadBalancers because no identity-based policy allows the action",
			"deploy staging: arn:aws:iam::1:user/ann may not elasticloadbalancing:DescribeLoadBalancers: use other credentials, or add the action to modules/pipeline and run make deploy ENV=bootstrap",
		},
		{
			"a second OIDC provider",
			"Error: creating IAM OIDC Provider: operation error IAM: CreateOpenIDConnectProvider, https response error StatusCode: 409, EntityAlreadyExists: Provider with url https://token.actions.githubusercontent.com already exists.",
			"deploy staging: the account has an OIDC provider of GitHub already: set oidcProvider: existing in the environments' files",
		},
		{
			"an environment before bootstrap has the boundary",
			"Error: creating IAM Role (starttech-staging-instance): operation error IAM: CreateRole, https response error StatusCode: 404, NoSuchEntity: Scope ARN: arn:aws:iam::123456789012:policy/starttech-boundary does not exist or is not attachable.",
			"deploy staging: the permissions boundary does not exist: run make deploy ENV=bootstrap first",
		},
		{
			"what nobody has thought of, broken into lines",
			"╷\n│ Error: the sky has fallen on the\n│ load balancer\n│ \n│   with aws_lb.load_balancer\n╵\n",
			"deploy staging: the sky has fallen on the load balancer",
		},
		{
			"what cdktf makes of it",
			"production  \u2577\n            \u2502 Error: the sky has fallen on the\n            \u2502 load balancer\n            \u2502 \n            \u2502   with aws_lb.load_balancer\n            \u2575\n",
			"deploy staging: the sky has fallen on the load balancer",
		},
		{"no error at all", "killed\n", "deploy staging: killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Explain("deploy staging", c.output).Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
