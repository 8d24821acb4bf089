# Team B: the processor, between team A's ingest queue and the streams' buses in shared services, as a function or
# as a service. Runs in the management account and reaches team-b.

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

  manifest = jsondecode(file("${path.module}/${var.package_manifest}"))
  package = merge(local.manifest.packages["processor"], {
    file         = "${path.module}/${dirname(var.package_manifest)}/${local.manifest.packages["processor"].file}"
    runtime      = local.manifest.runtime
    architecture = local.manifest.architecture
  })

  processor   = "${local.name}-processor"
  description = "The processor: enriches events and routes them to the buses of their streams."
  as_function = var.runs_on == "lambda" ? 1 : 0
  as_service  = var.runs_on == "ecs" ? 1 : 0
  log_groups  = ["/aws/lambda/${local.processor}", "/minilab/${local.processor}"]
  lake_bucket = "${local.name}-lake-${local.account_ids["shared-services"]}"

  # The same file that the code reads.
  streams      = yamldecode(file("${path.module}/../../../contracts/streams.yaml")).streams
  sqs_streams  = [for name, stream in local.streams : name if stream.bus == "sqs"]
  in_ingestion = "${var.region}:${local.account_ids["team-a"]}"
  in_shared    = "${var.region}:${local.account_ids["shared-services"]}"
  ingest_queue = "arn:${local.partition}:sqs:${local.in_ingestion}:${local.name}-ingest.fifo"

  environment_variables = merge(
    {
      MINILAB_ENV               = var.environment
      MINILAB_LAKE_BUCKET       = local.lake_bucket
      MINILAB_INGESTION_ACCOUNT = local.account_ids["team-a"]
      MINILAB_SHARED_ACCOUNT    = local.account_ids["shared-services"]
    },
    var.kafka ? {
      MINILAB_KAFKA_BOOTSTRAP_SERVERS = data.aws_msk_bootstrap_brokers.this[0].bootstrap_brokers_vpc_connectivity_sasl_iam
      MINILAB_KAFKA_SECURITY          = "MSK_IAM"
    } : {},
  )

  # As the code was seen to use them (tests/support/aws_calls). The owners' policies say the same.
  statements = [
    {
      Sid      = "ReceiveEvents"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      Resource = [local.ingest_queue]
    },
    {
      Sid    = "SendEvents"
      Effect = "Allow"
      Action = ["sqs:GetQueueUrl", "sqs:SendMessage"]
      Resource = concat(
        [for queue in ["ingest-dlq.fifo", "failed"] : "arn:${local.partition}:sqs:${local.in_ingestion}:${local.name}-${queue}"],
        [for stream in local.sqs_streams : "arn:${local.partition}:sqs:${local.in_shared}:${local.name}-${stream}"],
      )
    },
    {
      Sid      = "Tenants"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem"]
      Resource = ["arn:${local.partition}:dynamodb:${local.in_ingestion}:table/${local.name}-tenants"]
    },
    {
      Sid      = "CountEvents"
      Effect   = "Allow"
      Action   = ["dynamodb:UpdateItem"]
      Resource = ["arn:${local.partition}:dynamodb:${local.in_ingestion}:table/${local.name}-stream-counters"]
    },
    {
      Sid      = "ClaimPayloads"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["arn:${local.partition}:s3:::${local.lake_bucket}/claims/*"]
    },
  ]

  kafka_statements = var.kafka ? [
    {
      Sid      = "JoinKafka"
      Effect   = "Allow"
      Action   = ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]
      Resource = ["arn:${local.partition}:kafka:${local.in_shared}:cluster/${local.name}/*"]
    },
    {
      Sid      = "WriteToKafka"
      Effect   = "Allow"
      Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
      Resource = [for name, stream in local.streams : "arn:${local.partition}:kafka:${local.in_shared}:topic/${local.name}/*/${local.name}-${name}" if stream.bus == "kafka"]
    },
  ] : []

  # The owners' keys, found by their aliases.
  key_statements = [
    for name, key in {
      IngestionKey = { where = local.in_ingestion, alias = "ingestion", actions = ["kms:Decrypt", "kms:GenerateDataKey"] }
      BusKey       = { where = local.in_shared, alias = "buses", actions = ["kms:Decrypt", "kms:GenerateDataKey"] }
      LakeKey      = { where = local.in_shared, alias = "lake", actions = ["kms:GenerateDataKey"] }
      } : {
      Sid       = name
      Effect    = "Allow"
      Action    = key.actions
      Resource  = "arn:${local.partition}:kms:${key.where}:key/*"
      Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/${local.name}-${key.alias}" } }
    }
  ]

  own_key_statement = {
    Sid      = "OwnEnvironment"
    Effect   = "Allow"
    Action   = "kms:Decrypt"
    Resource = module.data_key.arn
  }
}

data "aws_vpc" "this" {
  tags = { Name = "${local.name}-team-b" }

  provider = aws.team_b
}

data "aws_subnets" "private" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }

  tags = { Name = "${local.name}-team-b-private-*" }

  provider = aws.team_b
}

data "aws_security_group" "workload" {
  name   = "${local.name}-team-b-workload"
  vpc_id = data.aws_vpc.this.id

  provider = aws.team_b
}

# --- to Kafka, in another account's VPC -----------------------------------------------------------

data "aws_msk_cluster" "this" {
  count = var.kafka ? 1 : 0

  cluster_name = local.name

  provider = aws.shared_services
}

data "aws_msk_bootstrap_brokers" "this" {
  count = var.kafka ? 1 : 0

  cluster_arn = data.aws_msk_cluster.this[0].arn

  provider = aws.shared_services
}

resource "aws_security_group" "kafka" {
  count = var.kafka ? 1 : 0

  name        = "${local.name}-team-b-kafka"
  description = "The way to Kafka: in from what the team runs, nothing out."
  vpc_id      = data.aws_vpc.this.id

  tags = { Name = "${local.name}-team-b-kafka" }

  provider = aws.team_b
}

# Where MSK listens for other VPCs, a port for each broker: Amazon MSK Developer Guide, "Multi-VPC private
# connectivity", step 3 (mvpc-cross-account-user-action). Within their own VPC it is 9098.
resource "aws_vpc_security_group_ingress_rule" "kafka" {
  count = var.kafka ? 1 : 0

  security_group_id            = aws_security_group.kafka[0].id
  description                  = "Kafka with IAM"
  referenced_security_group_id = data.aws_security_group.workload.id
  ip_protocol                  = "tcp"
  from_port                    = 14001
  to_port                      = 14100

  provider = aws.team_b
}

resource "aws_vpc_security_group_egress_rule" "kafka" {
  count = var.kafka ? 1 : 0

  security_group_id            = data.aws_security_group.workload.id
  description                  = "Kafka with IAM"
  referenced_security_group_id = aws_security_group.kafka[0].id
  ip_protocol                  = "tcp"
  from_port                    = 14001
  to_port                      = 14100

  provider = aws.team_b
}

resource "aws_msk_vpc_connection" "this" {
  count = var.kafka ? 1 : 0

  authentication     = "SASL_IAM"
  target_cluster_arn = data.aws_msk_cluster.this[0].arn
  vpc_id             = data.aws_vpc.this.id
  client_subnets     = data.aws_subnets.private.ids
  security_groups    = [aws_security_group.kafka[0].id]

  provider = aws.team_b
}

# --- the processor -------------------------------------------------------------------------------

module "data_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-events"
  description = "The processor's environment and image."

  providers = { aws = aws.team_b }
}

module "log_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-events-logs"
  description = "Logs of the events stack."

  services = {
    LogGroups = {
      principal = "logs.${var.region}.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = {
        ArnLike = {
          "kms:EncryptionContext:aws:logs:arn" = [for group in local.log_groups : "arn:${local.partition}:logs:${var.region}:${local.account_ids["team-b"]}:log-group:${group}"]
        }
      }
    }
  }

  providers = { aws = aws.team_b }
}

# Kept while the form changes: other accounts' policies name this role.
resource "aws_iam_role" "processor" {
  name        = local.processor
  description = local.description

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OwnProcessor"
        Effect    = "Allow"
        Principal = { Service = var.runs_on == "lambda" ? "lambda.amazonaws.com" : "ecs-tasks.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_ids["team-b"] } }
      }
    ]
  })

  provider = aws.team_b
}

locals {
  role = { name = aws_iam_role.processor.name, arn = aws_iam_role.processor.arn }

  network = {
    subnet_ids         = data.aws_subnets.private.ids
    security_group_ids = [data.aws_security_group.workload.id]
  }
}

# --- as a function -------------------------------------------------------------------------------

module "function" {
  source = "../../modules/function"
  count  = local.as_function

  name                    = local.processor
  description             = local.description
  package                 = local.package
  memory_mb               = var.memory_mb
  timeout_seconds         = 100 # less than the queue's visibility timeout, 120
  environment             = local.environment_variables
  environment_kms_key_arn = module.data_key.arn
  log_kms_key_arn         = module.log_key.arn
  role                    = local.role
  network                 = local.network
  statements              = jsonencode(concat(local.statements, local.kafka_statements, local.key_statements, [local.own_key_statement]))

  providers = { aws = aws.team_b }
}

# One tenant's events stay in their order: a message that failed holds back those of its group only.
resource "aws_lambda_event_source_mapping" "ingest_queue" {
  count = local.as_function

  event_source_arn        = local.ingest_queue
  function_name           = module.function[0].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }

  provider = aws.team_b
}

# --- as a service --------------------------------------------------------------------------------

# There whatever the form: an image is in it before the service can be.
module "repository" {
  source = "../../modules/image-repository"

  name        = local.processor
  kms_key_arn = module.data_key.arn

  providers = { aws = aws.team_b }
}

resource "aws_ecs_cluster" "this" {
  count = local.as_service

  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }

  provider = aws.team_b
}

# infra/images/processor/Dockerfile.
module "task" {
  source = "../../modules/container-task"
  count  = local.as_service

  name            = local.processor
  description     = local.description
  container       = "processor"
  image           = "${module.repository.url}@${var.service.image_digest}"
  repository_arn  = module.repository.arn
  command         = ["minilab", "process", "--metrics"]
  user            = "10001:10001"
  cpu             = var.service.cpu
  memory_mb       = var.service.memory_mb
  architecture    = var.service.architecture
  stop_seconds    = 90 # told to stop, it is done within a minute (docs/processing.md)
  environment     = merge(local.environment_variables, { AWS_REGION = var.region })
  log_kms_key_arn = module.log_key.arn
  role            = local.role
  statements      = jsonencode(concat(local.statements, local.kafka_statements, local.key_statements))

  providers = { aws = aws.team_b }
}

# The queue is team A's, whose metrics are not here: the processor tells how much waits (minilab.processing.metrics).
module "workers" {
  source = "../../modules/queue-workers"
  count  = local.as_service

  name                = local.processor
  cluster             = { name = aws_ecs_cluster.this[0].name, arn = aws_ecs_cluster.this[0].arn }
  task_definition_arn = module.task[0].arn
  network             = local.network
  tasks               = { least = 1, most = var.service.most_tasks }
  backlog             = { namespace = "Minilab", name = "Backlog", dimensions = { environment = var.environment, service = "processing" }, per_task = var.service.backlog_per_task }

  providers = { aws = aws.team_b }
}
