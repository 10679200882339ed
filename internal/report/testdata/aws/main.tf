# A small stack for plans.sh with resources that hold data, have a policy or have user data.

variable "changed" {
  default = false
}

variable "renamed" {
  default = false
}

locals {
  user_data = <<-EOT
    #!/bin/bash
    set -euo pipefail
    log=/var/log/backend.log
    ${var.changed ? "docker run --memory 512m backend >> $log" : "docker run backend >> $log"}
    echo started
  EOT
}

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.99"
    }
  }
}

provider "aws" {
  default_tags {
    tags = { project = "starttech" }
  }
}

resource "aws_s3_bucket" "site" {
  bucket        = "report-site${var.renamed ? "-new" : ""}"
  force_destroy = true
}

resource "aws_cloudwatch_log_group" "backend" {
  name              = "/report/backend"
  retention_in_days = var.changed ? 30 : 7
}

resource "aws_ssm_parameter" "secret" {
  name  = "/report/secret"
  type  = "SecureString"
  value = var.changed ? "correct horse" : "battery staple"
}

resource "aws_iam_role" "backend" {
  name = "report-backend"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "read" {
  name = "read"
  role = aws_iam_role.backend.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = concat(["s3:GetObject"], var.changed ? ["s3:ListBucket"] : [])
      Resource  = "arn:aws:s3:::report-site/*"
      Condition = { Bool = { "aws:SecureTransport" = "true" } }
    }]
  })
}

resource "aws_launch_template" "backend" {
  name          = "report-backend"
  image_id      = "ami-0abcdef1234567890"
  instance_type = var.changed ? "t3.small" : "t3.micro"
  user_data     = base64encode(local.user_data)

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = var.changed ? 16 : 8
      volume_type = "gp2"
    }
  }

  tags = var.changed ? { Name = "backend", tier = "private" } : { Name = "backend" }
}

output "bucket" {
  value = aws_s3_bucket.site.bucket
}

output "template_version" {
  value = aws_launch_template.backend.latest_version
}
