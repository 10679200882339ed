# make up and make test are the two commands to begin with; make lists all.

ENV ?= production

# The checkout's own Node.js, cdktf, linters and Terraform come first. Nothing calls home.
export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/.local/checks/bin:$(CURDIR)/.local/bin:$(PATH)
export CHECKPOINT_DISABLE := 1
export NODE_NO_WARNINGS := 1
export PORT
# No go.work above the checkout, and no version control of another owner, changes what is built.
export GOWORK := off
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

# The Go modules of the repository: ./... in one does not match the packages of another.
modules := . packagecache packagecache/bench/resources

starttech := go build -o .local/bin/starttech ./cmd/starttech && .local/bin/starttech

.DEFAULT_GOAL := help
.PHONY: help install up env down test lint snapshots bench synth plan deploy outputs comment drift health publish destroy lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Plan and apply production on a local AWS (ENV=staging, PORT=4567)
	@$(starttech) up $(ENV)

# The applies wait, so that many may run at once; the other tests compute.
test: lint ## Run every test; make test SHORT=1 leaves out the applies
	go test $(if $(SHORT),-short,-parallel 8) -timeout 30m ./... github.com/starttech/infrastructure/packagecache/...

lint: install ## Check the Go and Python code; make test does it first
	set -e; for module in $(modules); do \
		go -C $$module vet ./...; \
		go -C $$module tool -modfile="$(CURDIR)/tools.mod" staticcheck ./...; \
	done
	@go tool -modfile=tools.mod gofumpt -d $$(git ls-files '*.go') | (! grep .)
	ruff check local test
	ruff format --check local test

env: ## Print the shell commands that send AWS clients to the local AWS
	@$(starttech) env

down: ## Stop the local AWS and remove it
	@$(starttech) down

synth: install ## Write the Terraform configuration of every stack into cdktf.out
	@$(starttech) synth

plan: synth ## Show what a deploy would change on AWS (ENV=production)
	@$(starttech) plan $(ENV)

deploy: synth ## Change it (ENV=production, ENV=bootstrap for a new account)
	@$(starttech) deploy $(ENV)

outputs: synth ## Print addresses and names (ENV=production)
	@$(starttech) outputs $(ENV)

comment: ## Put the plan into a comment on the pull request (in a workflow)
	@$(starttech) comment $(ENV)

drift: ## Keep an issue open while the plan changes anything (in a workflow)
	@$(starttech) drift $(ENV)

health: synth ## Ask the deployed site until it answers (ENV=production)
	@$(starttech) health $(ENV)

publish: synth ## Write the outputs into the application's repository on GitHub (ENV=production)
	@$(starttech) publish $(ENV)

snapshots: install ## Rewrite the golden files; read their diff
	cd config && go generate
	go test ./test -run Snapshot -update

bench: install ## Measure synthesis and compare it with its limits; about ten minutes
	go -C packagecache run ./bench
	go run ./test/bench

destroy: synth ## Remove everything in it, after asking (ENV=staging)
	@$(starttech) destroy $(ENV)

lock: synth ## Write the provider's checksums for every platform (needs the Terraform registry)
	@$(starttech) lock

install: ## Install what the project needs into the checkout
	@$(starttech) install
