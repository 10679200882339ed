# A stack for plans.sh that needs no provider: all kinds of values and actions.

variable "step" {
  default = 1
}

locals {
  fence = "before\n```\n</details>\n@everyone | **bold**\n`````"
}

# Secrets inside a value; one of them is not a secret in the first step.
resource "terraform_data" "nested" {
  input = {
    user     = var.step == 1 ? "app" : "admin"
    password = sensitive("hidden-password-${var.step}")
    unmarked = var.step == 1 ? "hidden-later" : sensitive("hidden-later")
    hosts = [
      { name = "a", token = sensitive("hidden-token-a") },
      { name = var.step == 1 ? "b" : "c", token = sensitive("hidden-token-${var.step}") },
    ]
    list = [sensitive("hidden-item-${var.step}"), "shown"]
  }
}

resource "terraform_data" "whole" {
  input = sensitive({ key = "hidden-whole-${var.step}" })
}

resource "terraform_data" "markdown" {
  for_each = toset(["a`b|c<d>"])
  input = {
    text              = "${local.fence}\n${var.step}"
    "key ``` </pre>"  = "${local.fence} ${var.step}"
    "<b>html</b> | x" = var.step == 1 ? "<script>" : "</script>"
  }
}

resource "terraform_data" "replaced" {
  input            = "unchanged"
  triggers_replace = { image = "v${var.step}" }
}

output "fenced" {
  value = "${local.fence} ${var.step}"
}

output "secret" {
  sensitive = true
  value     = "hidden-output-${var.step}"
}

output "addresses" {
  value = ["10.0.0.${var.step}", "10.0.0.9"]
}
