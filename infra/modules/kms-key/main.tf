data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  # IAM policies of the account decide; without this statement nobody could manage the key.
  owner_statement = {
    Sid       = "OwnAccount"
    Effect    = "Allow"
    Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }

  service_statements = [
    for name, use in var.services : {
      Sid       = name
      Effect    = "Allow"
      Principal = { Service = use.principal }
      Action    = use.actions
      Resource  = "*"
      Condition = use.conditions
    }
  ]

  # The other account's own policies decide as well; the role need not exist yet.
  grant_statements = [
    for name, grant in var.grants : {
      Sid       = name
      Effect    = "Allow"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${grant.account_id}:root" }
      Action    = grant.actions
      Resource  = "*"
      Condition = {
        ArnEquals = {
          "aws:PrincipalArn" = [for role in grant.roles : "arn:${data.aws_partition.current.partition}:iam::${grant.account_id}:role/${role}"]
        }
      }
    }
  ]
}

resource "aws_kms_key" "this" {
  description             = var.description
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_in_days

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.owner_statement], local.service_statements, local.grant_statements)
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}
