data "aws_partition" "current" {}

locals {
  # ReadOnlyAccess also reads what the resources hold. A plan needs their settings only.
  data_reads = [
    "athena:GetQueryResults*",
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:GetRecords",
    "dynamodb:PartiQLSelect",
    "dynamodb:Query",
    "dynamodb:Scan",
    "kafka-cluster:ReadData",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:GetQueryResults",
    "logs:StartQuery",
    "secretsmanager:GetSecretValue",
    "sqs:ReceiveMessage",
  ]
}

resource "aws_iam_role" "plan" {
  name                 = "minilab-terraform-plan"
  description          = "Reads settings, no data: what terraform plan needs."
  assume_role_policy   = var.plan_trust_policy
  max_session_duration = 3600
}

resource "aws_iam_role_policy_attachment" "plan_reads_settings" {
  role       = aws_iam_role.plan.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_iam_role_policy" "plan_reads_no_data" {
  name = "no-data"
  role = aws_iam_role.plan.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "NoData"
        Effect   = "Deny"
        Action   = local.data_reads
        Resource = "*"
      },
      {
        Sid         = "NoObjects"
        Effect      = "Deny"
        Action      = "s3:GetObject*"
        NotResource = var.readable_object_arns
      },
    ]
  })
}

resource "aws_iam_role" "apply" {
  name                 = "minilab-terraform-apply"
  description          = "Changes anything: what terraform apply needs. Trusted from a protected environment only."
  assume_role_policy   = var.apply_trust_policy
  max_session_duration = 3600
}

resource "aws_iam_role_policy_attachment" "apply" {
  role       = aws_iam_role.apply.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AdministratorAccess"
}
