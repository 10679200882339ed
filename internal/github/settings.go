package github

import (
	"context"
	"fmt"
	"slices"
	"strings"

	gh "github.com/google/go-github/v90/github"
)

// CheckPermissions are the permissions of a token that CheckSettings needs
// (https://docs.github.com/en/rest/authentication/permissions-required-for-fine-grained-personal-access-tokens).
const CheckPermissions = "it needs a token for that repository with Actions: read, Administration: read and Contents: read"

// mainBranch is the branch whose workflows may deploy and release.
const mainBranch = "main"

// Settings is the settings of a repository that the trust of the roles depends on. A pull request to main always needs an
// approval, which a later push dismisses, and which is not of GitHub Actions.
type Settings struct {
	Environments []string // deployment environments, for main only
	Reviewed     []string // those of them whose deployments need a reviewer
	Check        string   // the check that main requires; empty: none
	IsCalled     bool     // another repository calls its workflows
	Owned        []string // directories, "/modules/githubroles/", whose code owners have to approve a change; they are in .github/CODEOWNERS
}

// CheckSettings compares the settings of a repository with the wanted ones. It returns a line for each that is missing.
func (c *Client) CheckSettings(ctx context.Context, repository string, want Settings) (missing []string, err error) {
	owner, name, err := splitRepository(repository)
	if err != nil {
		return nil, err
	}
	r := settingsReader{api: c.api, owner: owner, name: name}
	for _, check := range []func() error{
		func() error { return r.checkRules(ctx, want) },
		func() error { return r.checkActions(ctx) },
		func() error { return r.checkAccess(ctx, want.IsCalled) },
		func() error { return r.checkOwners(ctx, want.Owned) },
		func() error { return r.checkEnvironments(ctx, want) },
	} {
		if err := check(); err != nil {
			return nil, c.explain("read the settings of "+repository, CheckPermissions, err)
		}
	}
	return r.missing, nil
}

// settingsReader reads the settings of a repository.
type settingsReader struct {
	api         *gh.Client
	owner, name string
	missing     []string
}

// require adds a line unless a setting is as wanted.
func (r *settingsReader) require(ok bool, format string, arguments ...any) {
	if !ok {
		r.missing = append(r.missing, fmt.Sprintf("%s/%s: ", r.owner, r.name)+fmt.Sprintf(format, arguments...))
	}
}

// checkRules checks the active rules of main, which several rulesets may have
// (https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch).
func (r *settingsReader) checkRules(ctx context.Context, want Settings) error {
	rules, _, err := r.api.Repositories.ListRulesForBranch(ctx, r.owner, r.name, mainBranch, &gh.ListOptions{PerPage: perPage})
	if err != nil {
		return err
	}
	if rules == nil {
		rules = &gh.BranchRules{}
	}
	some := func(has func(gh.PullRequestRuleParameters) bool) bool {
		return slices.ContainsFunc(rules.PullRequest, func(rule *gh.PullRequestBranchRule) bool { return has(rule.Parameters) })
	}
	r.require(some(func(p gh.PullRequestRuleParameters) bool { return p.RequiredApprovingReviewCount > 0 }),
		"a change of %s needs no approval: required_approving_review_count is to be 1", mainBranch)
	r.require(some(func(p gh.PullRequestRuleParameters) bool { return p.DismissStaleReviewsOnPush }),
		"a push keeps the approvals of a pull request: dismiss_stale_reviews_on_push is to be true")
	r.require(some(func(p gh.PullRequestRuleParameters) bool { return p.RequireLastPushApproval }),
		"who pushed last may approve: require_last_push_approval is to be true")
	if len(want.Owned) > 0 {
		r.require(some(func(p gh.PullRequestRuleParameters) bool { return p.RequireCodeOwnerReview }),
			"code owners need not approve: require_code_owner_review is to be true")
	}
	if want.Check != "" {
		r.require(slices.ContainsFunc(rules.RequiredStatusChecks, func(rule *gh.RequiredStatusChecksBranchRule) bool {
			return slices.ContainsFunc(rule.Parameters.RequiredStatusChecks, func(check *gh.RuleStatusCheck) bool { return check.Context == want.Check })
		}), "a change of %s does not need the check %s: required_status_checks is to have it", mainBranch, want.Check)
	}
	r.require(len(rules.Deletion) > 0, "%s can be deleted: it needs the rule deletion", mainBranch)
	r.require(len(rules.NonFastForward) > 0, "%s can be overwritten: it needs the rule non_fast_forward", mainBranch)
	return nil
}

// checkActions checks that a workflow cannot approve its own pull request
// (https://docs.github.com/en/rest/actions/permissions#get-default-workflow-permissions-for-a-repository).
func (r *settingsReader) checkActions(ctx context.Context) error {
	permissions, _, err := r.api.Repositories.GetDefaultWorkflowPermissions(ctx, r.owner, r.name)
	if err != nil {
		return err
	}
	r.require(!permissions.GetCanApprovePullRequestReviews(), "workflows may approve pull requests: can_approve_pull_request_reviews is to be false")
	r.require(permissions.GetDefaultWorkflowPermissions() == "read",
		"the token of a workflow may write by default: default_workflow_permissions is to be read")
	return nil
}

// checkAccess checks that other repositories may call the workflows of a private repository
// (https://docs.github.com/en/rest/actions/permissions#get-the-level-of-access-for-workflows-outside-of-the-repository).
func (r *settingsReader) checkAccess(ctx context.Context, isCalled bool) error {
	if !isCalled {
		return nil
	}
	repository, _, err := r.api.Repositories.Get(ctx, r.owner, r.name)
	if err != nil || !repository.GetPrivate() {
		return err
	}
	access, _, err := r.api.Repositories.GetActionsAccessLevel(ctx, r.owner, r.name)
	if err != nil {
		return err
	}
	r.require(access.GetAccessLevel() != "none", "it is private, and no other repository may call its workflows: access_level is to be organization or user")
	return nil
}

const ownersFile = ".github/CODEOWNERS"

func (r *settingsReader) checkOwners(ctx context.Context, directories []string) error {
	if len(directories) == 0 {
		return nil
	}
	file, _, _, err := r.api.Repositories.GetContents(ctx, r.owner, r.name, ownersFile, &gh.RepositoryContentGetOptions{Ref: mainBranch})
	switch {
	case statusCode(err) == 404:
		r.require(false, "%s has no %s", mainBranch, ownersFile)
		return nil
	case err != nil:
		return err
	}
	content, err := file.GetContent()
	if err != nil {
		return err
	}
	for _, directory := range directories {
		r.require(hasOwner(content, directory), "%s has no owner of %s", ownersFile, directory)
	}
	// An owner who does not exist or may not write is an error, and nobody has to approve
	// (https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners).
	found, _, err := r.api.Repositories.GetCodeownersErrors(ctx, r.owner, r.name, &gh.GetCodeownersErrorsOptions{Ref: mainBranch})
	if err != nil {
		return err
	}
	for _, problem := range found.Errors {
		first, _, _ := strings.Cut(problem.Message, "\n")
		r.require(false, "%s:%d: %s", ownersFile, problem.Line, oneLine(first))
	}
	return nil
}

// hasOwner reports whether each file in a directory has an owner. For GitHub, the last pattern that matches a file decides. A pattern with
// an owner has to be * or a directory that begins at the root; others are ignored. A pattern without an owner is taken into account if it
// can match a file in the directory.
func hasOwner(owners, directory string) bool {
	owned := false
	for line := range strings.Lines(owners) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		pattern, isOwned := fields[0], len(fields) > 1
		switch {
		case pattern == "*", strings.HasSuffix(pattern, "/") && strings.HasPrefix(directory, pattern):
			owned = isOwned
		case isOwned:
		case strings.HasPrefix(pattern, directory), !strings.HasPrefix(pattern, "/"), strings.ContainsAny(pattern, "*?"):
			owned = false
		}
	}
	return owned
}

func (r *settingsReader) checkEnvironments(ctx context.Context, want Settings) error {
	for _, name := range want.Environments {
		environment, _, err := r.api.Repositories.GetEnvironment(ctx, r.owner, r.name, name)
		if statusCode(err) == 404 {
			r.require(false, "there is no environment %s", name)
			continue
		} else if err != nil {
			return err
		}
		var branches []string
		if environment.GetDeploymentBranchPolicy().GetCustomBranchPolicies() {
			for policy, err := range r.api.Repositories.ListDeploymentBranchPoliciesIter(ctx, r.owner, r.name, name, &gh.ListOptions{PerPage: perPage}) {
				if err != nil {
					return err
				}
				branches = append(branches, policy.GetName())
			}
		}
		r.require(slices.Equal(branches, []string{mainBranch}), "the environment %s is not for the branch %s only: its branches are %q", name, mainBranch, branches)
		if !slices.Contains(want.Reviewed, name) {
			continue
		}
		reviewers, noSelfReview := 0, false
		for _, rule := range environment.ProtectionRules {
			if rule.GetType() == "required_reviewers" {
				reviewers, noSelfReview = len(rule.Reviewers), rule.GetPreventSelfReview()
			}
		}
		r.require(reviewers > 0, "the environment %s has no reviewer", name)
		r.require(reviewers == 0 || noSelfReview, "who starts a deployment to %s may approve it: prevent_self_review is to be true", name)
	}
	return nil
}
