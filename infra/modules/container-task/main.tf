data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region  = data.aws_region.current.name
  account = data.aws_caller_identity.current.account_id

  role = var.role == null ? { name = aws_iam_role.task[0].name, arn = aws_iam_role.task[0].arn } : var.role

  # Of a secret's ARN, what comes before the key within it and its version.
  secret_arns = distinct([for secret in var.secrets : join(":", slice(split(":", secret), 0, 7))])

  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TasksOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "ecs-tasks.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:ecs:${local.region}:${local.account}:*" }
        }
      }
    ]
  })

  container = {
    name                   = var.container
    image                  = var.image
    essential              = true
    command                = var.command
    readonlyRootFilesystem = true
    privileged             = false
    user                   = var.user
    stopTimeout            = var.stop_seconds
    environment            = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    secrets                = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }]
    mountPoints            = [for name in sort(keys(var.writable)) : { sourceVolume = name, containerPath = var.writable[name], readOnly = false }]
    portMappings           = var.port == null ? [] : [{ name = var.container, containerPort = var.port, hostPort = var.port, protocol = "tcp" }]
    systemControls         = []
    volumesFrom            = []
    linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = var.container
        "mode"                  = "non-blocking"
        "max-buffer-size"       = "25m"
      }
    }
  }

  health = var.health_check == null ? {} : {
    healthCheck = { command = concat(["CMD"], var.health_check), interval = 30, timeout = 20, retries = 3, startPeriod = 120 }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/minilab/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
}

# What the code may do.
resource "aws_iam_role" "task" {
  count = var.role == null ? 1 : 0

  name               = var.name
  description        = var.description
  assume_role_policy = local.trust
}

resource "aws_iam_role_policy" "task" {
  name   = "task"
  role   = local.role.name
  policy = jsonencode({ Version = "2012-10-17", Statement = jsondecode(var.statements) })
}

# What ECS does to start it; the code never has this role.
resource "aws_iam_role" "execution" {
  name               = "${var.name}-start"
  description        = "ECS starts ${var.name}: its image, its secrets, its log."
  assume_role_policy = local.trust
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "SignInToEcr"
          Effect   = "Allow"
          Action   = "ecr:GetAuthorizationToken"
          Resource = "*"
        },
        {
          Sid      = "PullImage"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = var.repository_arn
        },
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.this.arn}:log-stream:*"
        },
      ],
      [for statement in [
        {
          Sid      = "Secrets"
          Effect   = "Allow"
          Action   = "secretsmanager:GetSecretValue"
          Resource = local.secret_arns
        },
        {
          Sid       = "SecretsKey"
          Effect    = "Allow"
          Action    = "kms:Decrypt"
          Resource  = var.secrets_kms_key_arn
          Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" } }
        },
      ] : statement if length(var.secrets) > 0],
    )
  })
}

resource "aws_ecs_task_definition" "this" {
  # checkov:skip=CKV_AWS_97: no volume is on EFS; what is writable is the task's own disk, which Fargate encrypts
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mb
  task_role_arn            = local.role.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode([merge(local.container, local.health)])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  dynamic "volume" {
    for_each = var.writable

    content {
      name = volume.key
    }
  }

  depends_on = [aws_iam_role_policy.task, aws_iam_role_policy.execution]
}
