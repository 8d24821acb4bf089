# Team A: the API, what it remembers, and what it accepted. Runs in the management account and
# reaches team-a.

data "aws_partition" "current" {}

module "accounts" {
  source = "../../modules/organization-accounts"

  required = ["shared-services", "team-a", "team-b"]
}

locals {
  name        = "minilab-${var.environment}"
  partition   = data.aws_partition.current.partition
  account_ids = module.accounts.ids
  role_arns   = { for name, id in local.account_ids : name => "arn:${local.partition}:iam::${id}:role/${var.role_name}" }

  # The same file that the code reads.
  tables = { for name, table in jsondecode(file("${path.module}/../../../minilab/dynamodb_tables.json")) : name => table if table.home == "ingestion" }

  manifest = jsondecode(file("${path.module}/${var.package_manifest}"))
  package = merge(local.manifest.packages["ingest"], {
    file         = "${path.module}/${dirname(var.package_manifest)}/${local.manifest.packages["ingest"].file}"
    runtime      = local.manifest.runtime
    architecture = local.manifest.architecture
  })

  sqs_streams = [for name, stream in yamldecode(file("${path.module}/../../../contracts/streams.yaml")).streams : name if stream.bus == "sqs"]

  in_shared     = "${var.region}:${local.account_ids["shared-services"]}"
  function_name = "${local.name}-ingest"
  log_groups    = ["/aws/lambda/${local.function_name}", "/minilab/${local.name}-api/access"]
  lake_bucket   = "${local.name}-lake-${local.account_ids["shared-services"]}"

  # Who else works here, by its role's name.
  processor = { account_id = local.account_ids["team-b"], roles = ["${local.name}-processor"] }
  lander    = { account_id = local.account_ids["shared-services"], roles = ["${local.name}-dagster-run"] }
  sensor    = { account_id = local.account_ids["shared-services"], roles = ["${local.name}-dagster-code"] }

  receive = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
  look    = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
  send    = ["sqs:GetQueueUrl", "sqs:SendMessage"]

  table_grants = {
    tenants         = { Processor = merge(local.processor, { actions = ["dynamodb:GetItem"] }) }
    stream-counters = { Processor = merge(local.processor, { actions = ["dynamodb:UpdateItem"] }) }
  }
}

data "aws_vpc" "this" {
  tags = { Name = "${local.name}-team-a" }

  provider = aws.team_a
}

data "aws_subnets" "private" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }

  tags = { Name = "${local.name}-team-a-private-*" }

  provider = aws.team_a
}

data "aws_security_group" "workload" {
  name   = "${local.name}-team-a-workload"
  vpc_id = data.aws_vpc.this.id

  provider = aws.team_a
}

# --- keys ----------------------------------------------------------------------------------------

module "data_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-ingestion"
  description = "Ingestion's queues, tables and environment."

  grants = {
    Processor = merge(local.processor, { actions = ["kms:Decrypt", "kms:GenerateDataKey"] })
    Lander    = merge(local.lander, { actions = ["kms:Decrypt"] })
  }

  providers = { aws = aws.team_a }
}

module "log_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-ingestion-logs"
  description = "Logs of the ingestion stack."

  services = {
    LogGroups = {
      principal = "logs.${var.region}.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = {
        ArnLike = {
          "kms:EncryptionContext:aws:logs:arn" = [for group in local.log_groups : "arn:${local.partition}:logs:${var.region}:${local.account_ids["team-a"]}:log-group:${group}"]
        }
      }
    }
  }

  providers = { aws = aws.team_a }
}

# --- what is remembered, and what goes on --------------------------------------------------------

module "table" {
  source   = "../../modules/table"
  for_each = local.tables

  name                = "${local.name}-${each.key}"
  partition_key       = each.value.partition_key
  sort_key            = lookup(each.value, "sort_key", null)
  time_to_live        = lookup(each.value, "time_to_live", null)
  kms_key_arn         = module.data_key.arn
  deletion_protection = var.deletion_protection
  grants              = lookup(local.table_grants, each.key, {})

  providers = { aws = aws.team_a }
}

module "ingest_queue" {
  source = "../../modules/message-queue"

  name             = "${local.name}-ingest.fifo"
  dead_letter_name = "${local.name}-ingest-dlq.fifo"
  kms_key_arn      = module.data_key.arn
  grants           = { Processor = merge(local.processor, { actions = local.receive }) }

  dead_letter_grants = {
    Processor = merge(local.processor, { actions = local.send })
    Lander    = merge(local.lander, { actions = local.receive })
    Sensor    = merge(local.sensor, { actions = local.look })
  }

  providers = { aws = aws.team_a }
}

module "failed_queue" {
  source = "../../modules/message-queue"

  name        = "${local.name}-failed"
  kms_key_arn = module.data_key.arn

  grants = {
    Processor = merge(local.processor, { actions = local.send })
    Lander    = merge(local.lander, { actions = local.receive })
    Sensor    = merge(local.sensor, { actions = local.look })
  }

  providers = { aws = aws.team_a }
}

# --- the API -------------------------------------------------------------------------------------

module "function" {
  source = "../../modules/function"

  name                    = local.function_name
  description             = "The ingestion API: authenticates, validates, and hands events to the ingest queue."
  package                 = local.package
  memory_mb               = var.memory_mb
  timeout_seconds         = 25
  reserved_concurrency    = var.reserved_concurrency
  environment_kms_key_arn = module.data_key.arn
  log_kms_key_arn         = module.log_key.arn

  environment = {
    MINILAB_ENV            = var.environment
    MINILAB_LAKE_BUCKET    = local.lake_bucket
    MINILAB_SHARED_ACCOUNT = local.account_ids["shared-services"]
  }

  network = {
    subnet_ids         = data.aws_subnets.private.ids
    security_group_ids = [data.aws_security_group.workload.id]
  }

  # As the code was seen to use them (tests/support/aws_calls).
  statements = jsonencode([
    {
      Sid      = "Tenants"
      Effect   = "Allow"
      Action   = "dynamodb:GetItem"
      Resource = module.table["tenants"].arn
    },
    {
      Sid      = "ClaimEvents"
      Effect   = "Allow"
      Action   = ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem"]
      Resource = module.table["idempotency"].arn
    },
    {
      Sid      = "CountRequests"
      Effect   = "Allow"
      Action   = "dynamodb:UpdateItem"
      Resource = module.table["stream-counters"].arn
    },
    {
      Sid      = "SendEvents"
      Effect   = "Allow"
      Action   = local.send
      Resource = [module.ingest_queue.arn, module.failed_queue.arn]
    },
    {
      Sid      = "ClaimPayloads"
      Effect   = "Allow"
      Action   = "s3:PutObject"
      Resource = "arn:${local.partition}:s3:::${local.lake_bucket}/claims/*"
    },
    {
      Sid      = "OwnData"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = module.data_key.arn
    },
    {
      Sid       = "LakeKey"
      Effect    = "Allow"
      Action    = "kms:GenerateDataKey"
      Resource  = "arn:${local.partition}:kms:${var.region}:${local.account_ids["shared-services"]}:key/*"
      Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/${local.name}-lake" } }
    },
  ])

  providers = { aws = aws.team_a }
}

module "api" {
  source = "../../modules/http-api"

  name            = "${local.name}-api"
  description     = "Mini-Lab's ingestion API."
  function        = { name = module.function.name, invoke_arn = module.function.invoke_arn }
  throttling      = var.throttling
  log_kms_key_arn = module.log_key.arn

  providers = { aws = aws.team_a }
}

# --- who looks after it --------------------------------------------------------------------------

# `minilab tenants` and `minilab failed`. What failed lies in the lake, and some of it goes round by the streams'
# buses: their owners' policies say the same.
resource "aws_iam_role" "operator" {
  name        = "${local.name}-operator"
  description = "Looks after tenants and failed events."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Operators"
        Effect    = "Allow"
        Principal = { AWS = length(var.operators) > 0 ? var.operators : ["arn:${local.partition}:iam::${local.account_ids["team-a"]}:root"] }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:PrincipalOrgID" = module.accounts.organization_id } }
      },
    ]
  })

  provider = aws.team_a
}

resource "aws_iam_role_policy" "operator" {
  name = "operate"
  role = aws_iam_role.operator.id

  # As the code was seen to use them (tests/support/aws_calls).
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Tenants"
          Effect   = "Allow"
          Action   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
          Resource = module.table["tenants"].arn
        },
        {
          Sid      = "WhatTheySent"
          Effect   = "Allow"
          Action   = "dynamodb:Query"
          Resource = module.table["stream-counters"].arn
        },
        {
          Sid       = "FindFailedEvents"
          Effect    = "Allow"
          Action    = "s3:ListBucket"
          Resource  = "arn:${local.partition}:s3:::${local.lake_bucket}"
          Condition = { StringLike = { "s3:prefix" = "failed/*" } }
        },
        {
          Sid      = "ReadFailedEvents"
          Effect   = "Allow"
          Action   = "s3:GetObject"
          Resource = "arn:${local.partition}:s3:::${local.lake_bucket}/failed/*"
        },
        {
          Sid      = "ClaimPayloads"
          Effect   = "Allow"
          Action   = "s3:PutObject"
          Resource = "arn:${local.partition}:s3:::${local.lake_bucket}/claims/*"
        },
        # Of the ledger only what was replayed; where landing stands is not theirs.
        {
          Sid       = "RememberReplays"
          Effect    = "Allow"
          Action    = ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
          Resource  = "arn:${local.partition}:dynamodb:${local.in_shared}:table/${local.name}-landing-ledger"
          Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = "replay:*" } }
        },
        {
          Sid      = "SendAgain"
          Effect   = "Allow"
          Action   = local.send
          Resource = concat([module.ingest_queue.arn], [for stream in local.sqs_streams : "arn:${local.partition}:sqs:${local.in_shared}:${local.name}-${stream}"])
        },
        {
          Sid      = "OwnData"
          Effect   = "Allow"
          Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource = module.data_key.arn
        },
      ],
      [for name, alias in { LakeKey = "lake", BusKey = "buses" } : {
        Sid                         = name
        Effect                      = "Allow"
        Action                      = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource                    = "arn:${local.partition}:kms:${local.in_shared}:key/*"
        Condition                   = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/${local.name}-${alias}" } }
      }],
    )
  })

  provider = aws.team_a
}

# --- within the service network ------------------------------------------------------------------

resource "aws_vpclattice_target_group_attachment" "this" {
  count = var.lattice_target_group_arn == null ? 0 : 1

  target_group_identifier = var.lattice_target_group_arn

  target {
    id = module.function.arn
  }

  provider = aws.team_a
}

resource "aws_lambda_permission" "lattice" {
  count = var.lattice_target_group_arn == null ? 0 : 1

  statement_id  = "VpcLattice"
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "vpc-lattice.amazonaws.com"
  source_arn    = var.lattice_target_group_arn

  provider = aws.team_a
}
