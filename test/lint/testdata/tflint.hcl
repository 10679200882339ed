plugin "terraform" {
  enabled = true
  preset  = "all"
}

plugin "aws" {
  enabled = true
}

# Rules that the plugin disables by default. Rules for government partitions and rules that require Terraform 1.10 stay
# disabled.
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
