# Dagster: webserver, daemon, code server, and the task that a run is. Runs in the management account and
# reaches shared-services.

data "aws_partition" "current" {}

module "accounts" {
  source = "../../modules/organization-accounts"

  required = ["shared-services", "team-a"]
}

locals {
  name        = "minilab-${var.environment}"
  partition   = data.aws_partition.current.partition
  account_ids = module.accounts.ids
  account     = local.account_ids["shared-services"]
  role_arns   = { for name, id in local.account_ids : name => "arn:${local.partition}:iam::${id}:role/${var.role_name}" }
  here        = "${var.region}:${local.account}"

  # The same files that the image and the code read.
  commands    = jsondecode(file("${path.module}/../../images/dagster/services.json"))
  streams     = yamldecode(file("${path.module}/../../../contracts/streams.yaml")).streams
  of_bus      = { for bus in ["kafka", "sqs"] : bus => [for name, stream in local.streams : name if stream.bus == bus] }
  lake_bucket = "${local.name}-lake-${local.account}"
  results     = "${local.name}-athena-results-${local.account}"

  # As the analytics stack names it.
  workgroup = local.name

  namespace   = "${local.name}.internal"
  code_server = "code-server.${local.namespace}"

  # Without an image the definitions name one that does not exist, and nothing is started.
  image = "${module.repository.url}@${coalesce(var.image_digest, "sha256:${join("", [for _ in range(64) : "0"])}")}"

  # Of each service: its entry in services.json, its size, and what to ask whether it is well.
  services = {
    webserver = { entry = "webserver", cpu = 512, memory_mb = 2048 }
    daemon    = { entry = "daemon", cpu = 512, memory_mb = 2048 }
    code      = { entry = "code-server", cpu = 1024, memory_mb = 4096 }
  }

  # No service listens on its own loopback only, and curl is not in the image.
  health_checks = {
    for name, service in local.services : name => try(
      local.commands[service.entry].health_check,
      ["python", "-c", "import socket, urllib.request as u; u.urlopen(f'http://{socket.gethostname()}:${local.commands[service.entry].port}${local.commands[service.entry].health_path}', timeout=15)"],
    )
  }

  environment_variables = merge(
    {
      AWS_REGION                  = var.region
      DAGSTER_POSTGRES_DB         = "dagster"
      DAGSTER_POSTGRES_HOST       = module.database.host
      MINILAB_ALERTS_TOPIC_ARN    = local.alerts_topic_arn
      MINILAB_ATHENA_WORKGROUP    = local.workgroup
      MINILAB_DAGSTER_CODE_SERVER = local.code_server
      MINILAB_DAGSTER_LOGS_BUCKET = module.compute_logs.name
      MINILAB_DAGSTER_RUN_TASK    = "${local.name}-dagster-run"
      MINILAB_DATABASE_PREFIX     = var.database_prefix
      MINILAB_ENV                 = var.environment
      MINILAB_INGESTION_ACCOUNT   = local.account_ids["team-a"]
      MINILAB_LAKE_BUCKET         = local.lake_bucket
      MINILAB_RESULTS_BUCKET      = local.results
    },
    var.kafka ? {
      MINILAB_KAFKA_BOOTSTRAP_SERVERS = data.aws_msk_cluster.this[0].bootstrap_brokers_sasl_iam
      MINILAB_KAFKA_SECURITY          = "MSK_IAM"
    } : {},
  )

  secrets = {
    DAGSTER_POSTGRES_PASSWORD = "${module.database.secret_arn}:password::"
    DAGSTER_POSTGRES_USER     = "${module.database.secret_arn}:username::"
  }

  # infra/images/dagster/Dockerfile: its user, and what it declares as volumes.
  user     = "10001:10001"
  writable = { dbt-target = "/app/dbt_athena/target", tmp = "/tmp" }
}

data "aws_vpc" "this" {
  tags = { Name = "${local.name}-shared-services" }

  provider = aws.shared_services
}

data "aws_subnets" "private" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }

  tags = { Name = "${local.name}-shared-services-private-*" }

  provider = aws.shared_services
}

data "aws_security_group" "workload" {
  name   = "${local.name}-shared-services-workload"
  vpc_id = data.aws_vpc.this.id

  provider = aws.shared_services
}

data "aws_msk_cluster" "this" {
  count = var.kafka ? 1 : 0

  cluster_name = local.name

  provider = aws.shared_services
}

# Whoever carries it reaches the brokers (modules/kafka).
data "aws_security_group" "kafka_client" {
  count = var.kafka ? 1 : 0

  name   = "${local.name}-kafka-client"
  vpc_id = data.aws_vpc.this.id

  provider = aws.shared_services
}

# --- keys, logs, image ---------------------------------------------------------------------------

module "data_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-orchestration"
  description = "Dagster's database, password, images and compute logs."

  providers = { aws = aws.shared_services }
}

module "log_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-orchestration-logs"
  description = "Logs of the orchestration stack."

  services = {
    LogGroups = {
      principal = "logs.${var.region}.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = {
        ArnLike = {
          "kms:EncryptionContext:aws:logs:arn" = [for group in ["/aws/rds/instance/${local.name}-dagster/*", "/minilab/${local.name}-dagster-*"] : "arn:${local.partition}:logs:${local.here}:log-group:${group}"]
        }
      }
    }
  }

  providers = { aws = aws.shared_services }
}

module "compute_logs" {
  source = "../../modules/private-bucket"

  name              = "${local.name}-dagster-logs-${local.account}"
  kms_key_arn       = module.data_key.arn
  expire_after_days = 90
  noncurrent_days   = 1

  providers = { aws = aws.shared_services }
}

module "repository" {
  source = "../../modules/image-repository"

  name        = "${local.name}-dagster"
  kms_key_arn = module.data_key.arn

  providers = { aws = aws.shared_services }
}

# --- database ------------------------------------------------------------------------------------

module "database" {
  source = "../../modules/postgres"

  name                = "${local.name}-dagster"
  database            = "dagster"
  username            = "dagster"
  instance_class      = var.database.instance_class
  multi_az            = var.database.multi_az
  backup_days         = var.database.backup_days
  deletion_protection = var.deletion_protection
  kms_key_arn         = module.data_key.arn
  log_kms_key_arn     = module.log_key.arn

  network = {
    vpc_id     = data.aws_vpc.this.id
    subnet_ids = data.aws_subnets.private.ids
  }

  providers = { aws = aws.shared_services }
}

# --- cluster and names ---------------------------------------------------------------------------

resource "aws_ecs_cluster" "this" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }

  provider = aws.shared_services
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name        = local.namespace
  description = "What runs in ${local.name}-shared-services, by name."
  vpc         = data.aws_vpc.this.id

  provider = aws.shared_services
}

# --- tasks ---------------------------------------------------------------------------------------

module "task" {
  source   = "../../modules/container-task"
  for_each = local.services

  name                = "${local.name}-dagster-${each.key}"
  description         = "Dagster's ${each.value.entry}."
  container           = each.value.entry
  image               = local.image
  repository_arn      = module.repository.arn
  command             = local.commands[each.value.entry].command
  health_check        = local.health_checks[each.key]
  port                = try(local.commands[each.value.entry].port, null)
  user                = local.user
  writable            = local.writable
  cpu                 = each.value.cpu
  memory_mb           = each.value.memory_mb
  architecture        = var.architecture
  environment         = local.environment_variables
  secrets             = local.secrets
  secrets_kms_key_arn = module.data_key.arn
  statements          = jsonencode(local.statements[each.key])
  log_kms_key_arn     = module.log_key.arn

  providers = { aws = aws.shared_services }
}

# What EcsRunLauncher starts for a run; the daemon overrides its command.
module "run" {
  source = "../../modules/container-task"

  name                = "${local.name}-dagster-run"
  description         = "A run of Dagster: lands, models, maintains."
  container           = "run"
  image               = local.image
  repository_arn      = module.repository.arn
  command             = ["dagster", "--help"]
  user                = local.user
  writable            = local.writable
  cpu                 = 2048
  memory_mb           = 8192
  architecture        = var.architecture
  stop_seconds        = 120
  environment         = local.environment_variables
  secrets             = local.secrets
  secrets_kms_key_arn = module.data_key.arn
  statements          = jsonencode(local.statements.run)
  log_kms_key_arn     = module.log_key.arn

  providers = { aws = aws.shared_services }
}

# --- services ------------------------------------------------------------------------------------

locals {
  running = var.image_digest == null ? 0 : 1

  network = {
    vpc_id             = data.aws_vpc.this.id
    subnet_ids         = data.aws_subnets.private.ids
    security_group_ids = [data.aws_security_group.workload.id, module.database.client_security_group_id]
  }

  # Of those who land from Kafka, and look at how far that is behind.
  network_with_kafka = merge(local.network, {
    security_group_ids = concat(local.network.security_group_ids, data.aws_security_group.kafka_client[*].id)
  })
}

module "webserver" {
  source = "../../modules/container-service"

  name                     = "${local.name}-dagster-webserver"
  cluster_arn              = aws_ecs_cluster.this.arn
  task_definition_arn      = module.task["webserver"].arn
  container                = { name = "webserver", port = local.commands["webserver"].port }
  desired_count            = local.running
  lattice_target_group_arn = var.lattice_target_group_arn
  network                  = local.network

  providers = { aws = aws.shared_services }
}

# A run has the security groups of the daemon, which starts it.
module "daemon" {
  source = "../../modules/container-service"

  name                = "${local.name}-dagster-daemon"
  cluster_arn         = aws_ecs_cluster.this.arn
  task_definition_arn = module.task["daemon"].arn
  container           = { name = "daemon" }
  desired_count       = local.running
  never_twice         = true
  network             = local.network_with_kafka

  providers = { aws = aws.shared_services }
}

module "code" {
  source = "../../modules/container-service"

  name                = "${local.name}-dagster-code"
  cluster_arn         = aws_ecs_cluster.this.arn
  task_definition_arn = module.task["code"].arn
  container           = { name = "code-server", port = local.commands["code-server"].port }
  desired_count       = local.running
  discovery           = { name = "code-server", namespace_id = aws_service_discovery_private_dns_namespace.this.id }
  callers             = { webserver = module.webserver.security_group_id, daemon = module.daemon.security_group_id }
  network             = local.network_with_kafka

  providers = { aws = aws.shared_services }
}

# --- what each may do ----------------------------------------------------------------------------

# As the code was seen to use them (tests/support/aws_calls: dagster-run, dagster-code), and, of the daemon and
# the webserver, what EcsRunLauncher and S3ComputeLogManager call.
locals {
  in_ingestion     = "${var.region}:${local.account_ids["team-a"]}"
  alerts_topic_arn = "arn:${local.partition}:sns:${local.here}:${local.name}-alerts-runs"
  ledger           = "arn:${local.partition}:dynamodb:${local.here}:table/${local.name}-landing-ledger"
  s3               = "arn:${local.partition}:s3:::"
  glue             = "arn:${local.partition}:glue:${local.here}"

  receive = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
  look    = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]

  tell_metrics = [
    {
      Sid       = "TellMetrics"
      Effect    = "Allow"
      Action    = ["cloudwatch:PutMetricData"]
      Resource  = "*"
      Condition = { StringEquals = { "cloudwatch:namespace" = "Minilab" } }
    },
  ]

  # Streams and their dead letters here; what failed at ingestion there.
  queues = concat(
    flatten([for stream in local.of_bus.sqs : [for end in ["", "-dlq"] : "arn:${local.partition}:sqs:${local.here}:${local.name}-${stream}${end}"]]),
    [for queue in ["failed", "ingest-dlq.fifo"] : "arn:${local.partition}:sqs:${local.in_ingestion}:${local.name}-${queue}"],
  )

  # <name>/<id> of the cluster; topics and groups have it in their ARNs as well.
  msk_arn    = one(data.aws_msk_cluster.this[*].arn)
  msk        = try(split(":cluster/", local.msk_arn)[1], "none")
  msk_topics = [for stream in local.of_bus.kafka : "arn:${local.partition}:kafka:${local.here}:topic/${local.msk}/${local.name}-${stream}"]

  kafka_statements = {
    read = [
      for statement in [
        { Sid = "Kafka", Effect = "Allow", Action = ["kafka-cluster:Connect"], Resource = [local.msk_arn] },
        { Sid = "KafkaTopics", Effect = "Allow", Action = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"], Resource = local.msk_topics },
      ] : statement if var.kafka
    ]
    commit = [
      for statement in [
        { Sid = "KafkaGroup", Effect = "Allow", Action = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"], Resource = ["arn:${local.partition}:kafka:${local.here}:group/${local.msk}/${local.name}-landing"] },
      ] : statement if var.kafka
    ]
  }

  # Other stacks' keys, found by their aliases.
  use_key = {
    for alias, owner in { lake = local.here, buses = local.here, ingestion = local.in_ingestion, alerts = local.here } : alias => {
      Resource                 = ["arn:${local.partition}:kms:${owner}:key/*"]
      Condition                = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/${local.name}-${alias}" } }
    }
  }

  # A long log is put in parts, which S3 reads again to join them.
  write_compute_logs = [
    { Sid = "ComputeLogs", Effect = "Allow", Action = ["s3:PutObject"], Resource = ["${module.compute_logs.arn}/compute-logs/*"] },
    { Sid = "ComputeLogsKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [module.data_key.arn] },
  ]

  # Of dbt (dbt_athena/profiles.yml), and of all others (minilab.settings).
  answers = [for prefix in ["dbt", "query"] : "${local.s3}${local.results}/${prefix}/*"]

  # Glue asks for a permission on a table on its database and the catalog as well.
  catalog  = ["${local.glue}:catalog"]
  database = { for schema in ["raw", "staging", "marts"] : schema => "${local.glue}:database/${var.database_prefix}_${schema}" }
  tables   = { for schema in ["raw", "staging", "marts"] : schema => "${local.glue}:table/${var.database_prefix}_${schema}" }
  of_raw   = concat(local.catalog, [local.database.raw], [for table in ["events", "failed_events"] : "${local.tables.raw}/${table}"])
  of_dbt   = concat(local.catalog, flatten([for schema in ["staging", "marts"] : [local.database[schema], "${local.tables[schema]}/*"]]))

  tasks_of_cluster = "arn:${local.partition}:ecs:${local.here}:task/${local.name}/*"

  statements = {
    webserver = [
      { Sid = "KnowTheRunTask", Effect = "Allow", Action = ["ecs:DescribeTaskDefinition"], Resource = "*" },
      { Sid = "StopRuns", Effect = "Allow", Action = ["ecs:DescribeTasks", "ecs:StopTask"], Resource = [local.tasks_of_cluster] },
      { Sid = "ReadComputeLogs", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${module.compute_logs.arn}/compute-logs/*"] },
      { Sid = "ComputeLogsKey", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [module.data_key.arn] },
    ]

    daemon = [
      { Sid = "KnowTheRunTask", Effect = "Allow", Action = ["ecs:DescribeTaskDefinition"], Resource = "*" },
      {
        Sid       = "StartRuns"
        Effect    = "Allow"
        Action    = ["ecs:RunTask"]
        Resource  = ["arn:${local.partition}:ecs:${local.here}:task-definition/${local.name}-dagster-run:*"]
        Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.this.arn } }
      },
      {
        Sid       = "TagRuns"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = [local.tasks_of_cluster]
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      { Sid = "WatchAndStopRuns", Effect = "Allow", Action = ["ecs:DescribeTasks", "ecs:StopTask"], Resource = [local.tasks_of_cluster] },
      {
        Sid       = "HandRunsTheirRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = module.run.role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      { Sid = "KnowOwnNetwork", Effect = "Allow", Action = ["ec2:DescribeNetworkInterfaces"], Resource = "*" },
      { Sid = "WhyARunDied", Effect = "Allow", Action = ["logs:GetLogEvents"], Resource = ["arn:${local.partition}:logs:${local.here}:log-group:/minilab/${local.name}-dagster-run:log-stream:*"] },
    ]

    # Sensors look at the buses; nothing is taken from them.
    code = concat(
      [
        { Sid = "Backlog", Effect = "Allow", Action = local.look, Resource = local.queues },
        { Sid = "Ledger", Effect = "Allow", Action = ["dynamodb:GetItem"], Resource = [local.ledger] },
        merge({ Sid = "LedgerKey", Effect = "Allow", Action = ["kms:Decrypt"] }, local.use_key.buses),
        { Sid = "TellOfFailures", Effect = "Allow", Action = ["sns:Publish"], Resource = [local.alerts_topic_arn] },
        merge({ Sid = "AlertsKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"] }, local.use_key.alerts),
      ],
      local.kafka_statements.read,
      local.tell_metrics,
      local.write_compute_logs,
    )

    run = concat(
      [
        # landing
        { Sid = "Receive", Effect = "Allow", Action = local.receive, Resource = local.queues },
        { Sid = "Ledger", Effect = "Allow", Action = ["dynamodb:GetItem", "dynamodb:UpdateItem"], Resource = [local.ledger] },
        merge({ Sid = "BusKey", Effect = "Allow", Action = ["kms:Decrypt"] }, local.use_key.buses),
        merge({ Sid = "IngestionKey", Effect = "Allow", Action = ["kms:Decrypt"] }, local.use_key.ingestion),
        # the lake, read and written by Athena with this role too
        { Sid = "FindInLake", Effect = "Allow", Action = ["s3:GetBucketLocation", "s3:ListBucket"], Resource = ["${local.s3}${local.lake_bucket}", "${local.s3}${local.results}"] },
        { Sid = "ReadLake", Effect = "Allow", Action = ["s3:GetObject"], Resource = concat([for prefix in ["claims", "failed", "landing", "raw", "warehouse"] : "${local.s3}${local.lake_bucket}/${prefix}/*"], local.answers) },
        { Sid = "WriteLake", Effect = "Allow", Action = ["s3:PutObject"], Resource = concat([for prefix in ["failed", "landing", "raw", "reports", "warehouse"] : "${local.s3}${local.lake_bucket}/${prefix}/*"], local.answers) },
        { Sid = "CleanLake", Effect = "Allow", Action = ["s3:DeleteObject"], Resource = [for prefix in ["landing", "raw", "warehouse"] : "${local.s3}${local.lake_bucket}/${prefix}/*"] },
        { Sid = "LargeFiles", Effect = "Allow", Action = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], Resource = concat(["${local.s3}${local.lake_bucket}/warehouse/*"], local.answers) },
        merge({ Sid = "LakeKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"] }, local.use_key.lake),
        # the catalog
        { Sid = "KnowDatabases", Effect = "Allow", Action = ["glue:GetDatabase", "glue:GetDatabases"], Resource = concat(local.catalog, values(local.database)) },
        { Sid = "KnowTables", Effect = "Allow", Action = ["glue:GetTable"], Resource = distinct(concat(local.of_raw, local.of_dbt)) },
        { Sid = "KnowPartitions", Effect = "Allow", Action = ["glue:BatchGetPartition", "glue:GetPartition", "glue:GetPartitions"], Resource = local.of_raw },
        { Sid = "RegisterLanded", Effect = "Allow", Action = ["glue:BatchCreatePartition"], Resource = local.of_raw },
        { Sid = "PointAtCompacted", Effect = "Allow", Action = ["glue:UpdatePartition"], Resource = concat(local.catalog, [local.database.raw, "${local.tables.raw}/events"]) },
        { Sid = "BuildModels", Effect = "Allow", Action = ["glue:CreateTable", "glue:DeleteTable", "glue:GetTables", "glue:GetTableVersions", "glue:UpdateTable"], Resource = local.of_dbt },
        {
          Sid      = "Query"
          Effect   = "Allow"
          Action   = ["athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetWorkGroup", "athena:StartQueryExecution"]
          Resource = ["arn:${local.partition}:athena:${local.here}:workgroup/${local.workgroup}"]
        },
      ],
      local.kafka_statements.read,
      local.kafka_statements.commit,
      local.tell_metrics,
      local.write_compute_logs,
      # While it runs, it looks whether its log is whole already.
      [{ Sid = "OwnComputeLogs", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${module.compute_logs.arn}/compute-logs/*"] }],
    )
  }
}
