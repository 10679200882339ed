package terraform

import (
	"errors"
	"strings"
	"testing"
)

// Errors as AWS and Terraform print them, and what a person sees.
func TestKnownErrorsHaveAdvice(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{
			"an EC2 action that the role does not have", `
╷
│ Error: creating EC2 VPC: operation error EC2: CreateVpc, https response error StatusCode: 403, RequestID: 1b2, api error UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/starttech-plan/GitHubActions is not authorized to perform: ec2:CreateVpc on resource: arn:aws:ec2:eu-west-1:123456789012:vpc/* because no identity-based policy allows the ec2:CreateVpc action. Encoded authorization failure message: x
│
│   with aws_vpc.network,
`,
			"deploy staging: arn:aws:sts::123456789012:assumed-role/starttech-plan/GitHubActions may not ec2:CreateVpc on resource: arn:aws:ec2:eu-west-1:123456789012:vpc/*: use other credentials, or add the action to modules/githubroles and run make deploy ENV=bootstrap",
		},
		{
			"an action without a resource",
			"Error: reading: api error AccessDenied: User: arn:aws:iam::1:user/ann is not authorized to perform: elasticloadbalancing:DescribeLoadBalancers because no identity-based policy allows the action",
			"deploy staging: arn:aws:iam::1:user/ann may not elasticloadbalancing:DescribeLoadBalancers: use other credentials, or add the action to modules/githubroles and run make deploy ENV=bootstrap",
		},
		{
			"a second OIDC provider",
			"Error: creating IAM OIDC Provider: operation error IAM: CreateOpenIDConnectProvider, https response error StatusCode: 409, EntityAlreadyExists: Provider with url https://token.actions.githubusercontent.com already exists.",
			"deploy staging: the account already has an OIDC provider for GitHub: set oidcProvider: existing in the files of the account's environments",
		},
		{
			"a second detector of GuardDuty",
			"Error: creating GuardDuty Detector: operation error GuardDuty: CreateDetector, https response error StatusCode: 400, RequestID: 1, BadRequestException: The request is rejected because a detector already exists for the current account.",
			"deploy staging: the account already has a GuardDuty detector in the region: set guardDuty.detector: existing in the files of the account's environments",
		},
		{
			"a second monitor of AWS services",
			"Error: creating Cost Explorer Anomaly Monitor (starttech-services): operation error Cost Explorer: CreateAnomalyMonitor, https response error StatusCode: 400, RequestID: 1, api error ValidationException: Limit exceeded on dimensional spend monitor creation",
			"deploy staging: the account already has a cost anomaly monitor of AWS services: set budget.anomalies.monitorArn in the files of the account's environments to its ARN (aws ce get-anomaly-monitors)",
		},
		{
			"an environment before the boundary exists",
			"Error: creating IAM Role (starttech-staging-instance): operation error IAM: CreateRole, https response error StatusCode: 404, NoSuchEntity: Scope ARN: arn:aws:iam::123456789012:policy/starttech-boundary does not exist or is not attachable.",
			"deploy staging: the permissions boundary does not exist: run make deploy ENV=bootstrap first",
		},
		{
			"the region of copies that is removed before their vault",
			"Error: Provider configuration not present\n\nTo work with aws_backup_vault.backup_copy_eu_central_1_vault (orphan) its original provider\nconfiguration at\nprovider[\"registry.terraform.io/hashicorp/aws\"].backup_copy_eu_central_1\nis required, but it has been removed.",
			"deploy staging: backup.copyToRegion: the vault of the copies can be deleted with the region only: put the region back, set copyRetentionDays: 0, and deploy that first",
		},
		{
			"an unknown error over several lines",
			"╷\n│ Error: the sky has fallen on the\n│ load balancer\n│ \n│   with aws_lb.load_balancer\n╵\n",
			"deploy staging: the sky has fallen on the load balancer",
		},
		{
			"an error in the frame of cdktf",
			"production  \u2577\n            \u2502 Error: the sky has fallen on the\n            \u2502 load balancer\n            \u2502 \n            \u2502   with aws_lb.load_balancer\n            \u2575\n",
			"deploy staging: the sky has fallen on the load balancer",
		},
		{
			"three unknown errors",
			"╷\n│ Error: the first\n│ \n│   with aws_lb.a\n╵\n╷\n│ Error: the second\n╵\nError: the third\n",
			"deploy staging: the first (and 2 more errors)",
		},
		{
			"two unknown errors in the frame of cdktf",
			"production  \u2577\n            \u2502 Error: the first\n            \u2575\n            \u2577\n            \u2502 Error: the second\n            \u2575\n",
			"deploy staging: the first (and 1 more error)",
		},
		{
			"a lock in S3 that is gone before it could be read",
			"Error: Error acquiring the state lock\n\nError message: operation error S3: PutObject, https response error StatusCode: 412, RequestID: 1, HostID: 2, api error PreconditionFailed: At least one of the pre-conditions you specified did not hold\nunable to retrieve file from S3 bucket 'b' with key 'k.tflock': operation error S3: GetObject, https response error StatusCode: 404, RequestID: 3, HostID: 4, NoSuchKey: \n",
			"deploy staging: another Terraform has locked or unlocked the state at this moment: run the command again",
		},
		{"no error at all", "killed\n", "deploy staging: killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := explain("deploy staging", errors.New(c.output), values{stack: "staging", bootstrap: "bootstrap"}).Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A Terraform that cannot reach OpenTofu's registry printed this for a state that OpenTofu had written.
func TestTerraformWithStateOfOpenTofu(t *testing.T) {
	const output = "Error: Failed to query available provider packages\n\nCould not retrieve the list of available versions for provider\n" +
		"registry.opentofu.org/hashicorp/aws: could not connect to\nregistry.opentofu.org: failed to request discovery document"
	got := explain("plan staging", errors.New(output), values{binary: "/bin/terraform", dir: "stacks/staging"}).Error()
	const want = "plan staging: the state is OpenTofu's: use OpenTofu (docs/leaving.md), or /bin/terraform -chdir=stacks/staging state replace-provider " +
		"registry.opentofu.org/hashicorp/aws registry.terraform.io/hashicorp/aws"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Errors of Terraform itself, each as Terraform 1.11.4 and OpenTofu print it. OpenTofu's are from its source:
// https://github.com/opentofu/opentofu/blob/v1.10.10/internal, and v1.12.6.
func TestErrorsOfOpenTofuHaveTheSameAdvice(t *testing.T) {
	const (
		lock = "\nLock Info:\n  ID:        6f6a\n  Path:      b/k\n  Operation: OperationTypeApply\n  Who:       ann@laptop\n  Version:   1.10.10\n" +
			"  Created:   2026-11-26 12:00:00.5 +0000 UTC\n  Info:      \n"
		conditional = "operation error DynamoDB: PutItem, https response error StatusCode: 400, RequestID: 1, ConditionalCheckFailedException: The conditional request failed"
		isLocked    = "the state is locked: ann@laptop runs OperationTypeApply since 2026-11-26 12:00 UTC ("
		noBucket    = "run make deploy ENV=bootstrap first"
	)
	for _, c := range []struct{ name, terraform, openTofu, want string }{
		{
			"a lock in DynamoDB", // clistate/state.go, states/statemgr/locker.go
			"Error: Error acquiring the state lock\n\nError message: " + conditional + lock + "\nTerraform acquires a state lock to protect the state",
			"Error: Error acquiring the state lock\n\nError message: " + conditional + lock + "\nOpenTofu acquires a state lock to protect the state",
			isLocked,
		},
		{
			"a lock in S3, whose holder ends", // s3Lock in backend/remote-state/s3/client.go joins the errors by multierror
			"Error: Error acquiring the state lock\n\nError message: operation error S3: PutObject, https response error StatusCode: 412, RequestID: 1, HostID: 2, api error PreconditionFailed: x\nunable to retrieve file\n",
			"Error: Error acquiring the state lock\n\nError message: 2 errors occurred:\n\t* operation error S3: PutObject, https response error StatusCode: 412, RequestID: 1, HostID: 2, api error PreconditionFailed: x\n\t* operation error S3: GetObject, NoSuchKey\n",
			"another Terraform has locked or unlocked the state at this moment: run the command again",
		},
		{
			"no lock table", // dynamoDBLock in backend/remote-state/s3/client.go
			"Error: Error acquiring the state lock\n\nError message: operation error DynamoDB: PutItem, https response error StatusCode: 400, RequestID: 1, ResourceNotFoundException: \nUnable to retrieve item",
			"Error: Error acquiring the state lock\n\nError message: 2 errors occurred:\n\t* operation error DynamoDB: PutItem, https response error StatusCode: 400, RequestID: 1, ResourceNotFoundException: \n\t* failed",
			"the lock table does not exist: run make deploy ENV=bootstrap first",
		},
		{
			"the MD5 of another state", // errBadChecksumFmt in backend/remote-state/s3/client.go
			"Error: Error refreshing state: state data in S3 does not have the expected content.\n\nThe checksum calculated for the state stored in S3 does not match",
			"Error: Error refreshing state: state data in S3 does not have the expected content.\n\nThis may be caused by unusually long delays in S3 processing a previous state\nupdate.",
			"the state is not the one whose MD5 is in the lock table",
		},
		{
			"a stale plan", // backend/local/backend_local.go
			"Error: Saved plan is stale\n\nThe given plan file can no longer be applied because the state was changed by\nanother operation after the plan was created.",
			"Error: Saved plan is stale\n\nThe given plan file can no longer be applied because the state was changed by another operation after the plan was created.",
			"the state has changed since the plan: another deploy has ended in the meantime; run the command again",
		},
		{
			"no state bucket", // errS3NoSuchBucket in backend/remote-state/s3/client.go
			"Error: Error refreshing state: S3 bucket \"b-1\" does not exist.\n\nThe referenced S3 bucket must have been previously created.",
			"Error: Failed to get existing workspaces: S3 bucket does not exist.\n\nThe referenced S3 bucket must have been previously created.",
			noBucket,
		},
		{
			"a protected resource", // tofu/node_resource_abstract_instance.go of 1.12; 1.10 has Terraform's
			"Error: Instance cannot be destroyed\n\n  on cdk.tf.json line 9:\n\nResource aws_vpc.network has lifecycle.prevent_destroy set, but the plan calls\nfor this resource to be destroyed.",
			"Error: Resource instance cannot be destroyed\n\n  on cdk.tf.json line 9:\n\nResource instance aws_vpc.network has prevent_destroy set, but the plan calls\nfor it to be destroyed.",
			"aws_vpc.network is protected: to destroy it, set deletionProtection: false in the environment's file and deploy that first",
		},
		{
			"no registry", // command/init.go, getproviders/errors.go
			"Error: Failed to query available provider packages\n\nCould not retrieve the list of available versions for provider hashicorp/aws:\ncould not connect to registry.terraform.io",
			"Error: Failed to resolve provider packages\n\nCould not resolve provider hashicorp/aws: could not connect to registry.opentofu.org",
			"the AWS provider cannot be installed: check the network, or configure a mirror in TF_CLI_CONFIG_FILE",
		},
	} {
		for program, output := range map[string]string{"Terraform": c.terraform, "OpenTofu": c.openTofu} {
			t.Run(c.name+", "+program, func(t *testing.T) {
				err := explain("deploy staging", errors.New(output), values{stack: "staging", bootstrap: "bootstrap"})
				if got := err.Error(); !strings.Contains(got, c.want) {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				if got, want := errors.Is(err, ErrNoStateBucket), c.want == noBucket; got != want {
					t.Errorf("the account has no state bucket: %t, want %t", got, want)
				}
			})
		}
	}
}
