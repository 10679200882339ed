plugin "terraform" {
  enabled = true
  preset  = "all"
}

plugin "aws" {
  enabled = true
}

# What the plugin leaves off. Still off are rules for the partitions of governments, and those that ask for Terraform
# 1.10 and later.
rule "aws_iam_policy_attachment_exclusive_attachment" {
  enabled = true
}

rule "aws_provider_missing_default_tags" {
  enabled = true
  tags    = ["project", "managed-by", "repository"]
}

rule "aws_security_group_inline_rules" {
  enabled = true
}

rule "aws_security_group_rule_deprecated" {
  enabled = true
}
