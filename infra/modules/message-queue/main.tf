data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  fifo   = endswith(var.name, ".fifo")
  queues = { for name in compact([var.name, var.dead_letter_name]) : name => name == var.name }
  arn_of = { for name in keys(local.queues) : name => "arn:${data.aws_partition.current.partition}:sqs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:${name}" }
  iam    = "arn:${data.aws_partition.current.partition}:iam"

  grants_of = { (var.name) = var.grants, (coalesce(var.dead_letter_name, "-")) = var.dead_letter_grants }

  # As minilab.provision makes queues; `minilab provision --check` holds one against the other. But for the
  # size of a message: SQS takes 1 MiB since 2025, and version 5 of the provider refuses more than 256 KiB.
  # `minilab provision` raises it, once, and is not undone here (ignore_changes).
  visibility_seconds = 120
  long_poll_seconds  = 20
  retention_seconds  = 14 * 24 * 3600
  max_receive_count  = 5
}

resource "aws_sqs_queue" "dead_letters" {
  count = var.dead_letter_name == null ? 0 : 1

  name                       = var.dead_letter_name
  fifo_queue                 = local.fifo
  deduplication_scope        = local.fifo ? "messageGroup" : null
  fifo_throughput_limit      = local.fifo ? "perMessageGroupId" : null
  visibility_timeout_seconds = local.visibility_seconds
  receive_wait_time_seconds  = local.long_poll_seconds
  message_retention_seconds  = local.retention_seconds
  kms_master_key_id          = var.kms_key_arn

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

resource "aws_sqs_queue" "this" {
  name                       = var.name
  fifo_queue                 = local.fifo
  deduplication_scope        = local.fifo ? "messageGroup" : null
  fifo_throughput_limit      = local.fifo ? "perMessageGroupId" : null
  visibility_timeout_seconds = local.visibility_seconds
  receive_wait_time_seconds  = local.long_poll_seconds
  message_retention_seconds  = local.retention_seconds
  kms_master_key_id          = var.kms_key_arn

  redrive_policy = var.dead_letter_name == null ? null : jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[0].arn
    maxReceiveCount     = local.max_receive_count
  })

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each = local.queues

  queue_url = each.value ? aws_sqs_queue.this.url : aws_sqs_queue.dead_letters[0].url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "OnlyOverTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "sqs:*"
          Resource  = local.arn_of[each.key]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
      ],
      # The other account's own policies decide as well; the role need not exist yet.
      [
        for name, grant in local.grants_of[each.key] : {
          Sid       = name
          Effect    = "Allow"
          Principal = { AWS = "${local.iam}::${grant.account_id}:root" }
          Action    = grant.actions
          Resource  = local.arn_of[each.key]
          Condition = { ArnEquals = { "aws:PrincipalArn" = [for role in grant.roles : "${local.iam}::${grant.account_id}:role/${role}"] } }
        }
      ],
    )
  })
}
