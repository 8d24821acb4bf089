# What every account gets before anything else is in it. The guardrails keep it so.

data "aws_partition" "current" {}

locals {
  # The role of the same name in the management account, and no other.
  trust = {
    for use in ["plan", "apply"] : use => jsonencode({
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "TheSameInManagement"
          Effect    = "Allow"
          Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${var.management_account_id}:root" }
          Action    = "sts:AssumeRole"
          Condition = {
            ArnEquals = {
              "aws:PrincipalArn" = "arn:${data.aws_partition.current.partition}:iam::${var.management_account_id}:role/minilab-terraform-${use}"
            }
          }
        }
      ]
    })
  }
}

resource "aws_s3_account_public_access_block" "this" {
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_ebs_encryption_by_default" "this" {
  enabled = true
}

# AWS gives each new account a default VPC with an internet gateway. This makes it of no use.
resource "aws_vpc_block_public_access_options" "this" {
  internet_gateway_block_mode = "block-bidirectional"
}

module "terraform_roles" {
  source = "../terraform-roles"
  count  = var.terraform_roles ? 1 : 0

  plan_trust_policy  = local.trust["plan"]
  apply_trust_policy = local.trust["apply"]

  # State lies in the management account and is read by the role there.
  readable_object_arns = ["arn:${data.aws_partition.current.partition}:s3:::minilab-none/*"]
}
