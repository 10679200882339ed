// Package config reads the environment files: types, defaults, limits and rules. Each block of a file has a Go file of
// its own.
//
// The data flows one way: environment file -> Environment -> stack -> modules -> Terraform JSON.
package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Project is the first part of every physical name. The pipelines' IAM policies grant access by this prefix.
const Project = "starttech"

// Environment is one environment: one file in environments/, one Terraform stack, one state.
//
// An optional component is a block, or a key of one, with the tag `removal:"CLASS: WHAT"`, which says what its removal does, and with the
// paragraphs "Costs:", "Needs:" and "Check:" in its comment. They become docs/components.md.
//
// Comments of fields are the descriptions in schema.json and docs/configuration.md, up to the first empty line. What follows it is the
// source of the limits, or the reason for them. Limits of a single value are in the tags, and become the JSON Schema that every file is
// validated against. Rules that involve several values are in the check method of each block, and the default values in a function beside it.
type Environment struct {
	// Name is the file's name without its extension.
	Name string `json:"-"`
	// AccountPosition is where the file sets the account: environments/production.yaml:5:10.
	AccountPosition string `json:"-"`

	// The AWS account that this environment lives in, in quotes. The provider refuses any other.
	//
	// Exactly 12 digits (https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeAccount.html).
	Account string `json:"account" jsonschema:"required,pattern=^[0-9]{12}$" change:"refused: with the credentials of the old account, because they are not of this one. With those of the new account, a deploy finds no state there, and would create a second environment beside the old one: destroy the environment first."`
	// AWS region of everything but CloudFront's certificate.
	//
	// AWS's codes: https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html.
	Region string `json:"region" jsonschema:"pattern=^[a-z]{2\\,4}(-[a-z]+)+-[0-9]$" change:"refused: by the state bucket, which is in the old region. Destroy the environments of the account and its bootstrap stack first."`
	// GitHub repository (owner/name) that this environment is deployed from: its workflows assume the plan and deploy
	// roles. A tag on every resource.
	//
	// Owners have letters, digits and hyphens, and an underscore if an enterprise manages them
	// (https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference/username-considerations-for-external-authentication).
	// Names of repositories can have dots and underscores as well.
	Repository string `json:"repository" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+$" change:"rolls: it is a tag of the instances. Deploy bootstrap as well, for the roles."`
	// Id of that repository: gh api repos/OWNER/NAME --jq .id. With it, nobody who takes over the name assumes the roles.
	//
	// The maximum is the largest integer that every JSON parser reads exactly (https://datatracker.ietf.org/doc/html/rfc8259#section-6).
	RepositoryID int `json:"repositoryId,omitempty" jsonschema:"minimum=1,maximum=9007199254740991" change:"free: deploy bootstrap, which has the roles"`
	// GitHub repository (owner/name) of the application: its workflows assume the release role.
	//
	// The pattern is repository's.
	ApplicationRepository string `json:"applicationRepository" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+$" change:"free"`
	// Id of the application's repository, as repositoryId.
	//
	// The limits are repositoryId's.
	ApplicationRepositoryID int `json:"applicationRepositoryId,omitempty" jsonschema:"minimum=1,maximum=9007199254740991" change:"free"`
	// GitHub's OpenID Connect provider, of which an account has one. existing: it is managed elsewhere.
	//
	// AWS's rule: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html.
	OIDCProvider string `json:"oidcProvider" jsonschema:"enum=create,enum=existing" change:"free: deploy bootstrap, which has the provider"`

	// Whether a deploy refuses to destroy or replace the VPC, its subnets, the load balancer, the distribution, the bucket, the images,
	// Redis and the logs.
	DeletionProtection bool `json:"deletionProtection" change:"free"`

	// Custom domain of the site, in Route 53. Without it the site has CloudFront's domain name.
	//
	// Costs: 0.50 USD a month for a zone that is created, 0.10 for the alarm. Certificates, and queries for records that are aliases of
	// CloudFront, cost nothing.
	//
	// https://aws.amazon.com/route53/pricing/, https://aws.amazon.com/certificate-manager/pricing/, https://aws.amazon.com/cloudwatch/pricing/
	//
	// Needs: a registered domain name; a public hosted zone, which exists or is created.
	//
	// Check: make smoke-test reaches the site at its name.
	Domain *Domain `json:"domain,omitempty" removal:"interrupts: the names do not resolve any more, and the site has CloudFront's domain name again. The instances are replaced as well. An administrator deploys the environment, then bootstrap, which destroys a zone that it has created."`
	// VPC, subnets and egress.
	Network Network `json:"network"`
	// Application Load Balancer and its health check.
	LoadBalancer LoadBalancer `json:"loadBalancer"`
	// EC2 instances of the API and their Auto Scaling group.
	Backend Backend `json:"backend"`
	// ECR repository of the backend's images.
	Registry Registry `json:"registry"`
	// ElastiCache Redis.
	Cache Cache `json:"cache"`
	// S3 bucket and CloudFront distribution of the site.
	Frontend Frontend `json:"frontend"`
	// CloudWatch logs, alarms and alarm recipients.
	Monitoring Monitoring `json:"monitoring"`

	// Scheduled scaling: sizes of the Auto Scaling group by the clock.
	//
	// Costs: the instances that it adds.
	//
	// Needs: nothing.
	//
	// Check: aws autoscaling describe-scheduled-actions lists each action with its next start.
	Schedule *Schedule `json:"schedule,omitempty" removal:"free: the group gets backend.minSize and backend.maxSize again"`
	// Private ways to MongoDB Atlas: AWS PrivateLink or VPC peering, or both.
	//
	// Costs: by PrivateLink, an hourly price for each zone, a price for each GB, and what Atlas charges for a private endpoint. By peering, the
	// traffic between zones.
	//
	// Needs: a dedicated cluster (M10 or larger), and a private endpoint or a peering connection that Atlas has prepared.
	//
	// Check: on an instance, the host names of MONGO_URI resolve to addresses in the VPC or in the Atlas CIDR; Atlas shows the connection as available.
	Database *Database `json:"database,omitempty" removal:"interrupts: connections to Atlas by the private way end. Before, set MONGO_URI to the public connection string, and replace the instances."`
	// Terraform's state: how it is locked. All environments of an account have the same block.
	//
	// Costs: nothing: a lock is a few requests. The lock table stays, and costs nothing while it is idle.
	//
	// Needs: for both and s3, Terraform 1.11.
	//
	// Check: during a deploy, aws s3 ls s3://BUCKET/ENVIRONMENT/ lists terraform.tfstate.tflock.
	State *State `json:"state,omitempty" removal:"free: the lock table locks again, as with lock: dynamodb. Deploy bootstrap as well. From s3, go back by both, as the change of state.lock says."`
	// Tracing with AWS X-Ray: sampling, a group of the backend's traces, and an agent on the instances that the container sends them to.
	//
	// Costs: 5 USD for a million traces that are recorded, after 100,000 in each month; 0.50 USD for a million that are read; with insights, 1 USD more for a million.
	//
	// Needs: an application that sends traces, a NAT gateway, and memory for the agent, in the quarter of the instance that the container leaves.
	//
	// Check: after requests, aws xray get-service-graph lists the backend; the console has it as CloudWatch, Trace Map.
	Tracing *Tracing `json:"tracing,omitempty" removal:"rolls: the instances boot without the agent, and the container without the variables"`

	// GuardDuty, which looks for threats in the account, and notifications of findings of severity 7 and more at the topic of the alarms.
	//
	// Costs: a created detector, in us-east-1, 4 USD for a million of CloudTrail's management events and 1 USD for a GB of flow logs and DNS queries,
	// and each protection plan by its use ([prices](https://aws.amazon.com/guardduty/pricing/)). The first 30 days are free.
	//
	// Needs: recipients of alarms. The file of each environment of the account has the same block.
	//
	// Check: aws guardduty create-sample-findings --detector-id ID --finding-types 'Backdoor:EC2/C&CActivity.B!DNS' sends a notification to the recipients.
	GuardDuty *GuardDuty `json:"guardDuty,omitempty" removal:"free: deploy bootstrap as well. A created detector and its findings are deleted."`

	// Budget: an e-mail when the costs of a month reach 50, 80 and 100 percent of it, or are forecast to exceed it.
	//
	// Costs: nothing; AWS charges for [budgets with actions](https://aws.amazon.com/aws-cost-management/aws-budgets/pricing/) only.
	//
	// Needs: nothing. The file of each environment of the account has the same block.
	//
	// Check: aws budgets describe-budget --account-id ACCOUNT --budget-name starttech-monthly shows the limit and the costs until now.
	Budget *Budget `json:"budget,omitempty" removal:"free: deploy bootstrap. The budget and its history are deleted."`

	// Secrets Manager in place of parameters, and a function that rotates the JWT key.
	//
	// Costs: $0.90 a month for two secrets and an alarm, and less than $0.10 for requests; the function is free at this use.
	//
	// Needs: nothing.
	//
	// Check: aws secretsmanager describe-secret has the date of the last rotation, and the next; the alarm secret-rotation is OK.
	Secrets *Secrets `json:"secrets,omitempty" removal:"rolls: set the values as parameters before, the JWT key as well. Without deletionProtection the secrets are deleted, with it AWS keeps them for 30 days. Remove cache.auth in a deploy before."`
	// AWS Backup of the frontend bucket, and of the account's Terraform states. Of the account: the files that have the block have the same.
	//
	// Costs: the stored gigabytes, at about 0.05 USD for each month, where an object counts as 128 KB or more; requests to S3; 0.20 USD a month for the
	// two alarms; 1 USD a month for each own key; the copies again, and their transfer.
	//
	// Needs: a deploy of bootstrap before the environment's.
	//
	// Check: aws backup list-backup-jobs --by-backup-vault-name starttech lists a COMPLETED job for each bucket and day.
	Backup *Backup `json:"backup,omitempty" removal:"free: there are no more backups. If no file of the account has the block any more, a deploy of bootstrap deletes the vault, which AWS refuses until the backups are deleted, or expired. With copies, set copyRetentionDays: 0 first."`
	// AWS WAF in front of the distribution and of the load balancer: AWS's managed rules, and a limit of requests for each address.
	//
	// Costs: about 21 USD a month: 5 for each of two web ACLs, 1 for each of their ten rules, 1 for the key of the alarms in us-east-1, and 0.60
	// for a million requests at each web ACL. Logs cost extra.
	//
	// Needs: a week in which it counts, because AWS's rules may match requests of your application.
	//
	// Check: the graphs on the dashboard, and aws wafv2 get-sampled-requests, which shows the requests that a rule has matched.
	Firewall *Firewall `json:"firewall,omitempty" removal:"free: the distribution lets go of its web ACL first. With deletionProtection, a deploy refuses to destroy the log groups."`

	// AWS Shield Advanced for the distribution, the load balancer and the NAT gateways' addresses. Shield Standard protects every account
	// without this block, at no cost.
	//
	// Costs: 3,000 USD a month for at least a year, for all accounts of an organization, and outgoing traffic of what is protected
	// ([prices](https://aws.amazon.com/shield/pricing/)).
	//
	// Needs: a yes to the price and the commitment, in the file; for AWS's response team, a Business or Enterprise support plan. The file of each
	// environment of the account has the same block.
	//
	// Check: aws shield list-protections --region us-east-1 lists each resource, and aws shield describe-subscription the end of the commitment.
	Shield *Shield `json:"shield,omitempty" removal:"free: deploy bootstrap as well. The protections end. Nothing ends the subscription: Terraform forgets it, and AWS goes on to charge for it."`
}

// Default is the architecture document's production environment: the values that a file does not set. The account and the
// repositories have no default, because the repositories in a file get access to the account.
func Default() Environment {
	return Environment{
		Region:             "eu-west-1",
		OIDCProvider:       "create",
		DeletionProtection: true,
		Network:            defaultNetwork(),
		LoadBalancer:       defaultLoadBalancer(),
		Backend:            defaultBackend(),
		Registry:           defaultRegistry(),
		Cache:              defaultCache(),
		Frontend:           defaultFrontend(),
		Monitoring:         defaultMonitoring(),
	}
}

// WithOptionalBlocks is Default with every optional block. Their values are those that a file with the block does not set.
func WithOptionalBlocks() Environment {
	e := Default()
	e.Domain = &Domain{}
	e.Schedule = &Schedule{}
	e.Database = &Database{}
	e.State = &State{}
	e.Tracing = defaultTracing()
	guardDuty, budget := defaultGuardDuty(), defaultBudget()
	e.GuardDuty, e.Budget = &guardDuty, &budget
	secrets := defaultSecrets()
	e.Secrets = &secrets
	backup := defaultBackup()
	e.Backup = &backup
	e.Firewall = defaultFirewall()
	e.Shield = &Shield{}
	return e
}

// The account and the repositories in the environment files as they are shipped. Nobody has credentials for that account,
// which is the example of AWS's documentation (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html); the local AWS
// accepts it. In another account, the repositories are refused.
const (
	PlaceholderAccount               = "123456789012"
	PlaceholderRepository            = "your-organization/infrastructure"
	PlaceholderApplicationRepository = "your-organization/application"
)

// check reports what is wrong across keys. It calls the method check(place, Environment) of each block that has one. A block
// that the schema refused has its default values here, so it is skipped. So is the network if the region, of which its zones
// are, was refused.
func (e Environment) check(at place, invalid map[string]bool) {
	e.checkName(at)
	if !invalid["region"] {
		e.checkRegion(at.key("region"))
	}
	if !invalid["account"] {
		e.checkRepositories(at)
	}
	values := reflect.ValueOf(e)
	for _, field := range reflect.VisibleFields(values.Type()) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value := values.FieldByIndex(field.Index)
		absent := value.Kind() == reflect.Pointer && value.IsNil()
		if block, ok := value.Interface().(interface{ check(place, Environment) }); ok && !absent && !invalid[key] && !(key == "network" && invalid["region"]) {
			block.check(at.key(key), e)
		}
	}
}

// otherPartitions are the beginnings of the regions in other partitions than aws. ARNs there begin with the name of the partition, and
// these stacks' begin with arn:aws (https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html).
var otherPartitions = []string{"cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"}

func (e Environment) isInOtherPartition() bool {
	return slices.ContainsFunc(otherPartitions, func(prefix string) bool { return strings.HasPrefix(e.Region, prefix) })
}

func (e Environment) checkRegion(at place) {
	if e.isInOtherPartition() {
		at.problem("%q is in another partition than aws; allowed: regions of the partition aws, as eu-west-1", e.Region)
	}
}

// maxName is the longest name that an environment may have. The tightest of the physical names is the target group's,
// starttech-NAME-backend, with at most 32 characters
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html).
const maxName = 32 - len(Project+"-") - len("-backend")

// validName fits every physical name that is made from it. A bucket's has lower-case letters only
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html). A replication group's begins with a letter, and has no
// hyphen at its end and no two in a row (https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html).
var validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// IsName reports whether name has the form of an environment's or a bootstrap stack's name.
func IsName(name string) bool { return validName.MatchString(name) }

func (e Environment) checkName(at place) {
	switch {
	case !validName.MatchString(e.Name):
		at.file("%q is not a valid environment name; allowed: lower-case letters, digits and single hyphens, starting with a letter", e.Name)
	case len(e.Name) > maxName:
		at.file("%q has %d characters; allowed: %d, because AWS ends the target group's name %q at 32", e.Name, len(e.Name), maxName, e.NamePrefix()+"-backend")
	case e.Name == BootstrapStack || strings.HasPrefix(e.Name, BootstrapStack+"-"):
		at.file("%q is the name of the stack with the Terraform state; rename the environment", e.Name)
	}
}

// checkRepositories refuses the placeholders in an account of AWS. Its roles would trust repositories of these names, which are not the
// operator's.
func (e Environment) checkRepositories(at place) {
	for _, r := range []struct{ key, got, placeholder string }{
		{"repository", e.Repository, PlaceholderRepository},
		{"applicationRepository", e.ApplicationRepository, PlaceholderApplicationRepository},
	} {
		if strings.HasSuffix(r.got, ".git") {
			at.key(r.key).problem("%q ends with .git; allowed: OWNER/NAME, as in GitHub's tokens", r.got)
		}
		if r.got == r.placeholder && e.Account != PlaceholderAccount {
			at.key(r.key).problem("%q is the placeholder; in account %s, name your own repository", r.got, e.Account)
		}
	}
}

// accountBlocks are the optional blocks, of an environment and an earlier one, that are the account's.
func (e Environment) accountBlocks(other Environment) map[string][2]any {
	blocks := map[string][2]any{
		"state":     {e.StateLock(), other.StateLock()},
		"guardDuty": {e.GuardDuty, other.GuardDuty},
		"budget":    {e.Budget, other.Budget},
		"shield":    {e.Shield, other.Shield},
	}
	if e.Backup != nil && other.Backup != nil { // an environment without the block is not backed up
		blocks["backup"] = [2]any{e.Backup, other.Backup}
	}
	return blocks
}

// numeral is the digits of an id. Without an id it is empty.
func numeral(id int) string {
	if id == 0 {
		return ""
	}
	return strconv.Itoa(id)
}

// checkTogether reports what is wrong between files: the environments of an account share its bootstrap stack.
func checkTogether(documents []*document, environments []Environment) {
	byName, byDomain := map[string]int{}, map[string]int{}
	byAccount := map[string][]int{}
	for i, e := range environments {
		at := place{documents[i], ""}
		if first, ok := byName[e.Name]; ok {
			at.file("environment %q is already defined by %s", e.Name, documents[first].file)
			continue
		}
		byName[e.Name] = i
		if len(documents[i].problems) > 0 {
			continue
		}
		if e.Domain != nil {
			for _, name := range e.Domain.Names() {
				if first, ok := byDomain[name]; ok {
					at.key("domain").key("name").problem("%q is already the name of %s", name, documents[first].file)
				}
				byDomain[name] = i
			}
		}
		earlier := byAccount[e.Account]
		byAccount[e.Account] = append(earlier, i)
		for _, j := range earlier {
			checkShared(at, e, environments[j], documents[j].file)
		}
		if len(earlier) == 0 {
			continue
		}
		first := earlier[0]
		other := environments[first]
		for _, shared := range []struct{ key, got, want, reason string }{
			{"region", e.Region, other.Region, "the environments of an account keep their state in one region"},
			{"repository", e.Repository, other.Repository, "the environments of an account are deployed from one repository"},
			{"repositoryId", numeral(e.RepositoryID), numeral(other.RepositoryID), "the environments of an account are deployed from one repository"},
			{"oidcProvider", e.OIDCProvider, other.OIDCProvider, "the environments of an account share one provider"},
		} {
			if shared.got != shared.want {
				at.key(shared.key).problem("%q differs from %q in %s; %s", shared.got, shared.want, documents[first].file, shared.reason)
			}
		}
		differing := map[string]bool{}
		for _, j := range earlier {
			for key, blocks := range e.accountBlocks(environments[j]) {
				if differing[key] || reflect.DeepEqual(blocks[0], blocks[1]) {
					continue
				}
				differing[key] = true
				if at.key(key).isSet() {
					at.key(key).problem("this block differs from that in %s; it is the account's, so all environments of account %s have the same", documents[j].file, e.Account)
				} else {
					documents[i].problemAt(key, fmt.Sprintf("missing; %s has this block, and it is the account's, so all environments of account %s have the same", documents[j].file, e.Account))
				}
			}
		}
	}
}

// checkShared reports names of one thing of the account that two environments have.
func checkShared(at place, e, other Environment, file string) {
	if name := e.Cache.FinalSnapshot; name != "" && name == other.Cache.FinalSnapshot && e.Region == other.Region {
		at.key("cache").key("finalSnapshot").problem("%q is already the last snapshot of %s; AWS refuses the second destroy: name another one", name, file)
	}
	if id := e.peeringConnection(); id != "" && id == other.peeringConnection() {
		at.key("database").key("peering").key("connectionId").problem("%q is already the connection of %s; it leads to one VPC: request another one in Atlas", id, file)
	}
}
