data "aws_partition" "current" {}

locals {
  iam  = "arn:${data.aws_partition.current.partition}:iam"
  keys = compact([var.partition_key, var.sort_key])
}

resource "aws_dynamodb_table" "this" {
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = var.partition_key
  range_key                   = var.sort_key
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = local.keys

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "ttl" {
    for_each = var.time_to_live == null ? [] : [var.time_to_live]

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

# The other account's own policies decide as well; the role need not exist yet.
resource "aws_dynamodb_resource_policy" "this" {
  count = length(var.grants) == 0 ? 0 : 1

  resource_arn = aws_dynamodb_table.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for name, grant in var.grants : {
        Sid       = name
        Effect    = "Allow"
        Principal = { AWS = "${local.iam}::${grant.account_id}:root" }
        Action    = grant.actions
        Resource  = aws_dynamodb_table.this.arn
        Condition = { ArnEquals = { "aws:PrincipalArn" = [for role in grant.roles : "${local.iam}::${grant.account_id}:role/${role}"] } }
      }
    ]
  })
}
