# Where Terraform keeps its state, and how GitHub Actions becomes someone in AWS without a key.
# Runs in the management account, once, by hand.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account_id  = data.aws_caller_identity.current.account_id
  iam         = "arn:${data.aws_partition.current.partition}:iam"
  bucket_name = "minilab-${var.environment}-terraform-${local.account_id}"
  issuer      = "token.actions.githubusercontent.com"

  github_trust = {
    for role, subjects in {
      plan  = ["repo:${var.github_repository}:pull_request", "repo:${var.github_repository}:ref:refs/heads/main"]
      apply = ["repo:${var.github_repository}:environment:${var.environment}"]
      } : role => jsonencode({
        Version = "2012-10-17"
        Statement = [
          {
            Sid       = "GitHub"
            Effect    = "Allow"
            Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
            Action    = "sts:AssumeRoleWithWebIdentity"
            Condition = {
              StringEquals = {
                "${local.issuer}:aud" = "sts.amazonaws.com"
                "${local.issuer}:sub" = subjects
              }
            }
          }
        ]
    })
  }
}

module "state_key" {
  source = "../../modules/kms-key"

  name        = "minilab-${var.environment}-terraform-state"
  description = "Terraform's state."
}

module "state" {
  source = "../../modules/private-bucket"

  name            = local.bucket_name
  kms_key_arn     = module.state_key.arn
  noncurrent_days = 365
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

module "roles" {
  source = "../../modules/terraform-roles"

  plan_trust_policy    = local.github_trust["plan"]
  apply_trust_policy   = local.github_trust["apply"]
  readable_object_arns = ["${module.state.arn}/*"]
}

# Both roles read the state and take its lock; only apply writes it.
resource "aws_iam_role_policy" "state" {
  for_each = {
    plan  = { role = module.roles.plan_role, writes = "*.tflock" }
    apply = { role = module.roles.apply_role, writes = "*" }
  }

  name = "state"
  role = each.value.role.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "FindState"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = module.state.arn
      },
      {
        Sid      = "ReadState"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${module.state.arn}/*"
      },
      {
        Sid      = "WriteState"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:DeleteObject"]
        Resource = "${module.state.arn}/${each.value.writes}"
      },
      {
        Sid      = "UseStateKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = module.state_key.arn
      },
      {
        Sid      = "BecomeTheSameInMembers"
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = "${local.iam}::*:role/${each.value.role.name}"
      },
    ]
  })
}
