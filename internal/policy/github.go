package policy

import (
	"strconv"
	"strings"
)

// GitHubIssuer is the issuer of the tokens of GitHub Actions. An account has at most one OIDC provider for an issuer.
const GitHubIssuer = "token.actions.githubusercontent.com"

// GitHubAudience is the audience of the tokens: the value that AWS's own action requests
// (https://github.com/aws-actions/configure-aws-credentials#oidc).
const GitHubAudience = "sts.amazonaws.com"

// MainBranch is the branch that is deployed and released.
const MainBranch = "refs/heads/main"

// ReleaseWorkflow is the workflow that releases the application, relative to this repository.
const ReleaseWorkflow = ".github/workflows/release.yml"

// GitHubProviderARN is the ARN of GitHub's OIDC provider in an account.
func GitHubProviderARN(account string) string {
	return "arn:aws:iam::" + account + ":oidc-provider/" + GitHubIssuer
}

// Workflow selects the runs of GitHub Actions that may assume a role.
type Workflow struct {
	Repository   string   // owner/name
	RepositoryID int      // GitHub's id of the repository; 0: any repository of that name
	Contexts     []string // the last part of the token's subject: "pull_request", "ref:refs/heads/main", "environment:production"
	Ref          string   // the branch, MainBranch; empty: any
	CalledFrom   string   // the repository, owner/name, whose ReleaseWorkflow on MainBranch has the job; empty: any workflow has it
}

// AssumeRoleFromGitHub is the trust policy of a role that workflows assume with the token of their run.
//
// The subject contains repository and context. For repositories created since 2026-07-15 it also contains their ids:
// repo:OWNER@ID/NAME@ID:CONTEXT (https://docs.github.com/en/actions/reference/security/oidc). The claim repository
// contains the name only, so that no other name matches by way of the pattern. After an account of GitHub is renamed or
// deleted, others can take its name, but no repository gets the id of another, which the claim repository_id contains. For a
// job of a workflow that another one calls, these claims are of the caller, and job_workflow_ref is the called workflow
// (https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-with-reusable-workflows). AWS compares
// these claims, and ref (https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/).
func AssumeRoleFromGitHub(account string, workflow Workflow) *string {
	owner, name, _ := strings.Cut(workflow.Repository, "/")
	id := "*"
	exactly := map[string][]string{
		GitHubIssuer + ":aud":        {GitHubAudience},
		GitHubIssuer + ":repository": {workflow.Repository},
	}
	if workflow.RepositoryID != 0 {
		id = strconv.Itoa(workflow.RepositoryID)
		exactly[GitHubIssuer+":repository_id"] = []string{id}
	}
	if workflow.Ref != "" {
		exactly[GitHubIssuer+":ref"] = []string{workflow.Ref}
	}
	if workflow.CalledFrom != "" {
		exactly[GitHubIssuer+":job_workflow_ref"] = []string{workflow.CalledFrom + "/" + ReleaseWorkflow + "@" + MainBranch}
	}
	var subjects []string
	for _, context := range workflow.Contexts {
		subjects = append(subjects, "repo:"+owner+"/"+name+":"+context, "repo:"+owner+"@*/"+name+"@"+id+":"+context)
	}
	return Document(Statement{
		Effect:    Allow,
		Principal: Federated(GitHubProviderARN(account)),
		Action:    []string{"sts:AssumeRoleWithWebIdentity"},
		Condition: Condition{
			"StringEquals": exactly,
			"StringLike":   {GitHubIssuer + ":sub": subjects},
		},
	})
}
