#!/bin/bash
# Makes the plans beside it anew, with Terraform and the AWS command line on PATH, on an empty local AWS:
#
#	make up ENV=staging && eval "$(make env)" && report/testdata/plans.sh && go test ./report -update
#
# Read the diff of the golden files afterwards.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$here/aws" "$here/builtin" "$work"

tf() { local stack=$1; shift; terraform -chdir="$work/$stack" "$@"; }

# plan STACK NAME [ARGUMENT...] keeps what a report is made of.
plan() {
	local stack=$1 name=$2
	shift 2
	tf "$stack" plan -out=plan "$@" > "$work/said"
	tf "$stack" show -json plan | python3 -c '
import json, sys
plan = json.load(sys.stdin)
kept = ["format_version", "terraform_version", "resource_drift", "resource_changes", "output_changes", "relevant_attributes"]
json.dump({key: plan[key] for key in kept if key in plan}, sys.stdout, indent=1)
print()' > "$here/$name.json"
}

apply() { tf "$1" apply -auto-approve plan > "$work/said"; }

tf aws init > "$work/said"
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

# What Terraform says to a terminal when it refuses: with colours and frames.
cat > "$work/aws/protected_override.tf" <<'EOF'
resource "aws_s3_bucket" "site" {
  lifecycle {
    prevent_destroy = true
  }
}
EOF
script --quiet --command "terraform -chdir=$work/aws plan -destroy" "$here/failed.txt" > "$work/said" || true
sed -i -e '/^Script /d' -e "s|$work/||g" "$here/failed.txt"
rm "$work/aws/protected_override.tf"
tf aws destroy -auto-approve > "$work/said"

tf builtin init > "$work/said"
plan builtin markdown-create
apply builtin
printf 'output "one_more" {\n  value = "known"\n}\n' > "$work/builtin/more.tf"
plan builtin only-outputs
rm "$work/builtin/more.tf" "$work/builtin/first.tf"
mv "$work/builtin/second.tf.later" "$work/builtin/second.tf"
plan builtin markdown-change -var step=2
