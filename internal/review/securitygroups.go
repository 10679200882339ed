package review

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// findLoadBalancer returns the load balancer with the DNS name in the outputs. It is in the environment's VPC.
func (r *reviewer) findLoadBalancer(ctx context.Context) (elbtypes.LoadBalancer, error) {
	name, err := r.Output("load_balancer_dns_name")
	if err != nil {
		return elbtypes.LoadBalancer{}, err
	}
	pages := elasticloadbalancingv2.NewDescribeLoadBalancersPaginator(elasticloadbalancingv2.NewFromConfig(r.settings), &elasticloadbalancingv2.DescribeLoadBalancersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return elbtypes.LoadBalancer{}, err
		}
		for _, balancer := range page.LoadBalancers {
			if aws.ToString(balancer.DNSName) == name {
				return balancer, nil
			}
		}
	}
	return elbtypes.LoadBalancer{}, fmt.Errorf("there is no load balancer %s", name)
}

// findGroups returns the security groups of the environment's VPC.
func (r *reviewer) findGroups(ctx context.Context) ([]ec2types.SecurityGroup, error) {
	balancer, err := r.loadBalancer()
	if err != nil {
		return nil, err
	}
	var groups []ec2types.SecurityGroup
	pages := ec2.NewDescribeSecurityGroupsPaginator(ec2.NewFromConfig(r.settings), &ec2.DescribeSecurityGroupsInput{Filters: inVPC(balancer)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		groups = append(groups, page.SecurityGroups...)
	}
	slices.SortFunc(groups, func(a, b ec2types.SecurityGroup) int {
		return cmp.Compare(aws.ToString(a.GroupName), aws.ToString(b.GroupName))
	})
	return groups, nil
}

func inVPC(balancer elbtypes.LoadBalancer) []ec2types.Filter {
	return []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{aws.ToString(balancer.VpcId)}}}
}

func groupName(group ec2types.SecurityGroup) string {
	return aws.ToString(group.GroupName) + " (" + aws.ToString(group.GroupId) + ")"
}

// openGroups finds rules that allow traffic from anywhere. The architecture has two: ports 80 and 443 of the groups of the load balancer, if it
// is public.
func (r *reviewer) openGroups(_ context.Context, a *answer) error {
	groups, err := r.groups()
	if err != nil {
		return err
	}
	balancer, err := r.loadBalancer()
	if err != nil {
		return err
	}
	open := false
	for _, group := range groups {
		isPublic := balancer.Scheme == elbtypes.LoadBalancerSchemeEnumInternetFacing && slices.Contains(balancer.SecurityGroups, aws.ToString(group.GroupId))
		for _, rule := range group.IpPermissions {
			if isPublic && isWeb(rule) {
				continue
			}
			for _, source := range worldRanges(rule) {
				open = true
				a.attention("remove the rule; if somebody added it outside Terraform, the next plan does not show it",
					"%s allows %s from %s", groupName(group), ports(rule), source)
			}
		}
	}
	if !open {
		a.ok("%d groups; the world reaches only the public load balancer's ports 80 and 443", len(groups))
	}
	return nil
}

// isWeb reports whether a rule is for port 80 or 443 only.
func isWeb(rule ec2types.IpPermission) bool {
	from, to := aws.ToInt32(rule.FromPort), aws.ToInt32(rule.ToPort)
	return aws.ToString(rule.IpProtocol) == "tcp" && from == to && (from == 80 || from == 443)
}

// worldRanges returns the ranges of a rule that are all addresses.
func worldRanges(rule ec2types.IpPermission) []string {
	var ranges []string
	for _, v4 := range rule.IpRanges {
		if aws.ToString(v4.CidrIp) == "0.0.0.0/0" {
			ranges = append(ranges, "0.0.0.0/0")
		}
	}
	for _, v6 := range rule.Ipv6Ranges {
		if aws.ToString(v6.CidrIpv6) == "::/0" {
			ranges = append(ranges, "::/0")
		}
	}
	return ranges
}

// ports describes the protocol and the ports of a rule: tcp 22, tcp 8000-9000, all traffic.
func ports(rule ec2types.IpPermission) string {
	protocol, from, to := aws.ToString(rule.IpProtocol), aws.ToInt32(rule.FromPort), aws.ToInt32(rule.ToPort)
	switch {
	case protocol == "-1":
		return "all traffic"
	case from == to:
		return fmt.Sprintf("%s %d", protocol, from)
	}
	return fmt.Sprintf("%s %d-%d", protocol, from, to)
}

// unusedGroups finds groups that no network interface has. The default group of a VPC cannot be deleted.
func (r *reviewer) unusedGroups(ctx context.Context, a *answer) error {
	groups, err := r.groups()
	if err != nil {
		return err
	}
	balancer, err := r.loadBalancer()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	pages := ec2.NewDescribeNetworkInterfacesPaginator(ec2.NewFromConfig(r.settings), &ec2.DescribeNetworkInterfacesInput{Filters: inVPC(balancer)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, networkInterface := range page.NetworkInterfaces {
			for _, group := range networkInterface.Groups {
				used[aws.ToString(group.GroupId)] = true
			}
		}
	}
	unused := false
	for _, group := range groups {
		if aws.ToString(group.GroupName) != "default" && !used[aws.ToString(group.GroupId)] {
			unused = true
			a.attention("delete it, if no Terraform state has it", "%s has no network interface", groupName(group))
		}
	}
	if !unused {
		a.ok("every group has a network interface")
	}
	return nil
}
