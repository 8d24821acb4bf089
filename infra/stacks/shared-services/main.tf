# The lake and the streams' buses: what the platform is one of. Runs in the management account and
# reaches shared-services.

data "aws_partition" "current" {}

module "accounts" {
  source = "../../modules/organization-accounts"

  required = ["shared-services", "analytics", "team-a", "team-b"]
}

locals {
  name        = "minilab-${var.environment}"
  partition   = data.aws_partition.current.partition
  account_ids = module.accounts.ids
  role_arns   = { for name, id in local.account_ids : name => "arn:${local.partition}:iam::${id}:role/${var.role_name}" }

  # The same files that the code reads.
  streams = yamldecode(file("${path.module}/../../../contracts/streams.yaml")).streams
  tables  = { for name, table in jsondecode(file("${path.module}/../../../minilab/dynamodb_tables.json")) : name => table if table.home == "shared" }

  lake_bucket    = "${local.name}-lake-${local.account_ids["shared-services"]}"
  results_bucket = "${local.name}-athena-results-${local.account_ids["shared-services"]}"

  # Who else works here, by its role's name.
  ingest    = { account_id = local.account_ids["team-a"], roles = ["${local.name}-ingest"] }
  processor = { account_id = local.account_ids["team-b"], roles = ["${local.name}-processor"] }
  operator  = { account_id = local.account_ids["team-a"], roles = ["${local.name}-operator"] }
  analyst   = { account_id = local.account_ids["analytics"], roles = ["${local.name}-analyst"] }

  # What each may do with the lake's bucket, and where.
  lake_grants = {
    IngestClaims    = merge(local.ingest, { actions = ["s3:PutObject"], resources = ["/claims/*"] })
    ProcessorClaims = merge(local.processor, { actions = ["s3:PutObject"], resources = ["/claims/*"] })
    OperatorReads   = merge(local.operator, { actions = ["s3:GetObject"], resources = ["/failed/*"] })
    OperatorFinds   = merge(local.operator, { actions = ["s3:ListBucket"], resources = [""] })
    OperatorClaims  = merge(local.operator, { actions = ["s3:PutObject"], resources = ["/claims/*"] })
    AnalystReads    = merge(local.analyst, { actions = ["s3:GetObject"], resources = ["/warehouse/*"] })
    AnalystFinds    = merge(local.analyst, { actions = ["s3:GetBucketLocation", "s3:ListBucket"], resources = [""] })
  }
}

# --- the lake ------------------------------------------------------------------------------------

module "lake_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-lake"
  description = "The lake and Athena's results."

  # Ingestion and processor only ever put payloads that no message carries.
  grants = {
    Analyst   = merge(local.analyst, { actions = ["kms:Decrypt"] })
    Ingest    = merge(local.ingest, { actions = ["kms:GenerateDataKey"] })
    Operator  = merge(local.operator, { actions = ["kms:Decrypt", "kms:GenerateDataKey"] })
    Processor = merge(local.processor, { actions = ["kms:GenerateDataKey"] })
  }

  providers = { aws = aws.shared_services }
}

module "lake" {
  source = "../../modules/private-bucket"

  name        = local.lake_bucket
  kms_key_arn = module.lake_key.arn

  # minilab.lake.layout.CLAIMS_DAYS
  expire_prefixes = { "claims/" = 35 }
  # Files get their name once and Iceberg keeps its own snapshots: old versions only help against mistakes.
  noncurrent_days = 7

  extra_statements = jsonencode([
    for name, grant in local.lake_grants : {
      Sid       = name
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${grant.account_id}:root" }
      Action    = grant.actions
      Resource  = [for resource in grant.resources : "arn:${local.partition}:s3:::${local.lake_bucket}${resource}"]
      Condition = { ArnEquals = { "aws:PrincipalArn" = [for role in grant.roles : "arn:${local.partition}:iam::${grant.account_id}:role/${role}"] } }
    }
  ])

  providers = { aws = aws.shared_services }
}

module "results" {
  source = "../../modules/private-bucket"

  name              = local.results_bucket
  kms_key_arn       = module.lake_key.arn
  expire_after_days = 14
  noncurrent_days   = 1

  providers = { aws = aws.shared_services }
}

# --- buses and ledger ----------------------------------------------------------------------------

module "bus_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-buses"
  description = "The streams' queues and the ledger."
  grants      = { for name, who in { Operator = local.operator, Processor = local.processor } : name => merge(who, { actions = ["kms:Decrypt", "kms:GenerateDataKey"] }) }

  providers = { aws = aws.shared_services }
}

module "stream_queue" {
  source   = "../../modules/message-queue"
  for_each = { for name, stream in local.streams : name => stream if stream.bus == "sqs" }

  name             = "${local.name}-${each.key}"
  dead_letter_name = "${local.name}-${each.key}-dlq"
  kms_key_arn      = module.bus_key.arn
  grants           = { for name, who in { Operator = local.operator, Processor = local.processor } : name => merge(who, { actions = ["sqs:GetQueueUrl", "sqs:SendMessage"] }) }

  providers = { aws = aws.shared_services }
}

module "table" {
  source   = "../../modules/table"
  for_each = local.tables

  name                = "${local.name}-${each.key}"
  partition_key       = each.value.partition_key
  sort_key            = lookup(each.value, "sort_key", null)
  time_to_live        = lookup(each.value, "time_to_live", null)
  kms_key_arn         = module.bus_key.arn
  deletion_protection = var.deletion_protection
  # What was replayed is remembered there.
  grants = { Operator = merge(local.operator, { actions = ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"] }) }

  providers = { aws = aws.shared_services }
}

# --- Kafka ---------------------------------------------------------------------------------------

data "aws_vpc" "this" {
  count = var.kafka == null ? 0 : 1

  tags = { Name = "${local.name}-shared-services" }

  provider = aws.shared_services
}

data "aws_subnets" "private" {
  count = var.kafka == null ? 0 : 1

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this[0].id]
  }

  tags = { Name = "${local.name}-shared-services-private-*" }

  provider = aws.shared_services
}

module "log_key" {
  source = "../../modules/kms-key"
  count  = var.kafka == null ? 0 : 1

  name        = "${local.name}-kafka-logs"
  description = "Logs of Kafka's brokers."

  services = {
    LogGroups = {
      principal  = "logs.${var.region}.amazonaws.com"
      actions    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = { ArnEquals = { "kms:EncryptionContext:aws:logs:arn" = ["arn:${local.partition}:logs:${var.region}:${local.account_ids["shared-services"]}:log-group:/minilab/${local.name}/brokers"] } }
    }
  }

  providers = { aws = aws.shared_services }
}

module "kafka" {
  source = "../../modules/kafka"
  count  = var.kafka == null ? 0 : 1

  name            = local.name
  instance_type   = var.kafka.instance_type
  storage_gb      = var.kafka.storage_gb
  kms_key_arn     = module.bus_key.arn
  log_kms_key_arn = module.log_key[0].arn
  writers         = { Processor = merge(local.processor, { topics = [for name, stream in local.streams : "${local.name}-${name}" if stream.bus == "kafka"] }) }

  network = {
    vpc_id     = data.aws_vpc.this[0].id
    subnet_ids = data.aws_subnets.private[0].ids
  }

  providers = { aws = aws.shared_services }
}
