// Package policy formats IAM policy documents.
package policy

import "github.com/starttech/infrastructure/internal/tfstring"

// Statement is one statement of a policy
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html).
// Strings may contain references to resources, which Terraform resolves.
type Statement struct {
	Sid       string `json:",omitempty"`
	Effect    Effect
	Principal Principal `json:",omitempty"`
	Action    []string
	Resource  []string  `json:",omitempty"`
	Condition Condition `json:",omitempty"`
}

// Effect of a statement.
type Effect string

// The effects of IAM.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Principal is type -> identities.
type Principal map[string][]string

// Anyone is every caller. Use it with Deny only.
func Anyone() Principal { return AWS("*") }

// AWS is accounts, roles and other identities, by ARN.
func AWS(arns ...string) Principal { return Principal{"AWS": arns} }

// Federated is an identity provider, by ARN.
func Federated(arn string) Principal { return Principal{"Federated": {arn}} }

// Service is an AWS service, "ec2.amazonaws.com".
func Service(name string) Principal { return Principal{"Service": {name}} }

// Condition is operator -> key -> values.
type Condition map[string]map[string][]string

// Document is the JSON of a policy. The same statements give the same bytes.
func Document(statements ...Statement) *string {
	return tfstring.JSON(struct {
		Version   string
		Statement []Statement
	}{"2012-10-17", statements})
}

// AssumeRole is the trust policy of a role that only one AWS service may assume, if the condition is true. It may be nil.
func AssumeRole(service string, condition Condition) *string {
	return Document(Statement{Effect: Allow, Principal: Service(service), Action: []string{"sts:AssumeRole"}, Condition: condition})
}
