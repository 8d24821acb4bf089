data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  function_arn   = "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:function:${var.name}"
  log_group_name = "/aws/lambda/${var.name}" # where Lambda logs to of itself

  role = var.role == null ? { name = aws_iam_role.this[0].name, arn = aws_iam_role.this[0].arn } : var.role

  network_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]

  statements = concat(
    [
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:log-stream:*"
      },
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
      # Lambda attaches the function to the VPC with the function's role …
      {
        Sid      = "JoinVpc"
        Effect   = "Allow"
        Action   = local.network_actions
        Resource = "*"
      },
      # … and the function's code has no business there.
      {
        Sid       = "NotTheCodeItself"
        Effect    = "Deny"
        Action    = local.network_actions
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
      },
    ],
    jsondecode(var.statements),
  )
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
}

resource "aws_iam_role" "this" {
  count = var.role == null ? 1 : 0

  name        = var.name
  description = var.description

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OwnFunction"
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = {
          StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        }
      }
    ]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "function"
  role   = local.role.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_116: dead letters are for asynchronous invocations; API Gateway and a queue wait for an answer
  # checkov:skip=CKV_AWS_272: the plan shows the hash of the package, which is built reproducibly from locked wheels
  function_name                  = var.name
  description                    = var.description
  role                           = local.role.arn
  filename                       = var.package.file
  source_code_hash               = var.package.source_code_hash
  handler                        = var.package.handler
  runtime                        = var.package.runtime
  architectures                  = [var.package.architecture]
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.environment_kms_key_arn

  environment {
    variables = var.environment
  }

  tracing_config {
    mode = "Active"
  }

  vpc_config {
    subnet_ids         = var.network.subnet_ids
    security_group_ids = var.network.security_group_ids
  }

  # Lambda would make a log group that is not there, without key and end.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}
