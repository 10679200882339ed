#!/bin/bash
# Records the plans and failed.txt in this directory. Needs Terraform and the AWS CLI on PATH, and an empty local AWS:
#
#	make up ENV=staging && eval "$(make env)" && internal/report/testdata/plans.sh && go test ./internal/report -update
#
# Read the diff of the golden files afterwards.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$here/aws" "$here/builtin" "$work"

tf() { local stack=$1; shift; terraform -chdir="$work/$stack" "$@"; }

# plan STACK NAME [ARGUMENT...] writes the parts of a plan that a report uses to NAME.json.
plan() {
	local stack=$1 name=$2
	shift 2
	tf "$stack" plan -out=plan "$@" > "$work/output"
	tf "$stack" show -json plan | python3 -c '
import json, sys
plan = json.load(sys.stdin)
keys = ["format_version", "terraform_version", "resource_drift", "resource_changes", "output_changes", "relevant_attributes"]
json.dump({key: plan[key] for key in keys if key in plan}, sys.stdout, indent=1)
print()' > "$here/$name.json"
}

apply() { tf "$1" apply -auto-approve plan > "$work/output"; }

tf aws init > "$work/output"
plan aws create
apply aws
plan aws no-change
plan aws change -var changed=true
plan aws replace -var renamed=true

aws logs put-retention-policy --log-group-name /report/backend --retention-in-days 1
aws iam delete-role-policy --role-name report-backend --policy-name read
plan aws drift
apply aws
plan aws destroy -destroy

# The output of a failed plan on a terminal, with colours and frames.
cat > "$work/aws/protected_override.tf" <<'EOF'
resource "aws_s3_bucket" "site" {
  lifecycle {
    prevent_destroy = true
  }
}
EOF
script --quiet --command "terraform -chdir=$work/aws plan -destroy" "$here/failed.txt" > "$work/output" || true
sed -i -e '/^Script /d' -e "s|$work/||g" "$here/failed.txt"
rm "$work/aws/protected_override.tf"
tf aws destroy -auto-approve > "$work/output"

tf builtin init > "$work/output"
plan builtin markdown-create
apply builtin
printf 'output "one_more" {\n  value = "known"\n}\n' > "$work/builtin/more.tf"
plan builtin only-outputs
rm "$work/builtin/more.tf" "$work/builtin/first.tf"
mv "$work/builtin/second.tf.later" "$work/builtin/second.tf"
plan builtin markdown-change -var step=2
