# The targets are aliases of starttech's commands, which have the details: .local/bin/starttech help.

# Only what is on make's command line counts: an exported ENV or PORT of the shell has no effect. Its text is not expanded, and is not exported.
argument = $(if $(filter command line,$(origin $(1))),$(2) '$(subst ','\'',$(value $(1)))')
unexport ENV PORT APP IMAGE SITE APPROVED
env = $(call argument,ENV,--env)
ifeq ($(origin env),command line)
$(error write ENV=, in upper case)
endif
ifneq ($(filter environment%,$(origin ENV)),)
$(warning note: ENV of the shell has no effect; write make TARGET ENV=...)
endif

# No go.work above the checkout, no directory vendor, and no other owner of the checkout changes what is built (internal/tools).
export GOWORK := off
export GO111MODULE := on
export GOFLAGS := -mod=readonly -buildvcs=false
export GOOS := $(shell go env GOHOSTOS)
export GOARCH := $(shell go env GOHOSTARCH)

# The Go modules of the repository: ./... in one does not match the packages of another.
modules := . packagecache packagecache/bench/resources

starttech := .local/bin/starttech
$(starttech): go.mod go.sum $(shell find cmd config internal local packagecache -type d -o -name '*.go' -o -name schema.json)
	@go build -o $@ ./cmd/starttech

.DEFAULT_GOAL := help
.PHONY: help up env down synth cost plan report deploy smoke-test outputs destroy unlock life install test drill lint kills removals snapshots diagram bench check-repository providers-lock

help: ## List the targets
	@awk -F ':.*## ' '/^## / { printf "\n%s\n", substr($$0, 4) } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Try it
up: $(starttech) ## Run production and an example application on a local AWS (ENV=staging, PORT=4567, APP=none, IMAGE=, SITE=)
	@$(starttech) up $(env) $(call argument,PORT,--port) $(call argument,APP,--app) $(call argument,IMAGE,--image) $(call argument,SITE,--site)

env: $(starttech) ## Print the shell commands that point AWS clients to the local AWS
	@$(starttech) env

down: $(starttech) ## Stop the local AWS and remove it
	@$(starttech) down

## Deploy to AWS
cost: $(starttech) ## Print what a stack costs in a month, and what a changed file changes of it (ENV=production)
	@$(starttech) cost $(env)

plan: $(starttech) ## Show what a deploy would change (ENV=production)
	@$(starttech) plan $(env)

report: $(starttech) ## Print the last plan as a pull request shows it (ENV=production)
	@$(starttech) report $(env)

deploy: $(starttech) ## Plan, ask, apply: ENV=staging; ENV=bootstrap for a new account
	@$(starttech) deploy $(env) $(call argument,APPROVED,--approved)

smoke-test: $(starttech) ## Request the deployed site until it answers (ENV=production)
	@$(starttech) smoke-test $(env)

outputs: $(starttech) ## Print URLs, names and public IPs (ENV=production)
	@$(starttech) outputs $(env)

destroy: $(starttech) ## Destroy an environment, after asking: ENV=staging
	@$(starttech) destroy $(env)

unlock: $(starttech) ## Remove the lock that a killed Terraform has left, after asking: ENV=staging
	@$(starttech) unlock $(env)

life: $(starttech) ## Test an account: deploy an environment, release to it, destroy it, after asking: ENV=sandbox
	@$(starttech) life $(env)

## Develop
install: $(starttech) ## Install what the project needs into the checkout; DEPLOY=1 leaves out what only tests need
	@$(starttech) install $(if $(DEPLOY),--deploy)

synth: $(starttech) ## Write the Terraform configuration of every stack into cdktf.out
	@$(starttech) synth

# The packages that apply for minutes mostly wait, and test/system measures how fast instances answer. They run after the others, which keep
# the processors busy.
waiting := $(addprefix github.com/starttech/infrastructure/test/,system apply)
go_test = go test $(if $(SHORT),-short,-p 4 -parallel 8) -timeout 80m

test: lint ## Run every test; SHORT=1 leaves out the slow half
	$(go_test) $(filter-out $(waiting),$(shell go list ./... github.com/starttech/infrastructure/packagecache/...))
	$(go_test) $(waiting)
	@command -v tofu >/dev/null || echo "skipped: the tests with OpenTofu, which is not on PATH (docs/leaving.md)"

lint: install ## Run the linters
	set -e; for module in $(modules); do \
		go -C $$module vet ./...; \
		go -C $$module tool -modfile="$(CURDIR)/tools.mod" staticcheck ./...; \
	done
	@go tool -modfile=tools.mod gofumpt -d $$(find . -name '*.go' -not -path './.*' -not -path './node_modules/*') | (! grep .)
	.local/checks/bin/ruff check local test
	.local/checks/bin/ruff format --check local test

removals: install ## Remove the optional components on a local AWS with all of them: each in a plan, all in an apply
	go test ./test/apply -run TestApplies/stacks/everything -v -count=1 -timeout 60m -removals

drill: install ## Break an environment on a local AWS in eight ways, and mend it with the commands of docs/runbook.md
	go test ./test/system -run TestDrill -v -count=1 -timeout 120m -drill

kills: install ## End 20 deploys to a local AWS at random moments, and print what happened (KILLS=20)
	go test ./test/apply -run TestKilledDeploys -v -count=1 -timeout 60m -kills $(or $(KILLS),20)

snapshots: install ## Rewrite the golden files; read their diff
	cd config && go generate
	go test ./test/claims -run Snapshot -update

diagram: install ## Draw the architecture: docs/architecture.svg, and the pictures of the README
	go test ./test/claims -run Diagram -update

bench: install ## Measure synthesis and a large rollback, and compare them with their limits; about twenty minutes
	go -C packagecache run ./bench
	go run ./test/bench

check-repository: $(starttech) ## Compare the settings on GitHub with docs/deploying.md (GITHUB_TOKEN)
	@$(starttech) check-repository

providers-lock: $(starttech) ## Write the provider's checksums for every platform (needs the Terraform registry)
	@$(starttech) providers-lock
