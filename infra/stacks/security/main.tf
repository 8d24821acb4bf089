# What every account gets, and what watches them all.
# Runs in the management account and reaches the members.

data "aws_partition" "current" {}

module "accounts" {
  source = "../../modules/organization-accounts"

  required = ["log-archive", "shared-services", "analytics", "team-a", "team-b"]
}

locals {
  name        = "minilab-${var.environment}"
  account_ids = module.accounts.ids
  role_arns   = { for name, id in local.account_ids : name => "arn:${data.aws_partition.current.partition}:iam::${id}:role/${var.role_name}" }
  trail_arn   = "arn:${data.aws_partition.current.partition}:cloudtrail:${var.region}:${local.account_ids["management"]}:trail/${local.name}"
}

# --- every account -------------------------------------------------------------------------------

module "baseline_management" {
  source = "../../modules/account-baseline"

  management_account_id = local.account_ids["management"]
  terraform_roles       = false
}

module "baseline_log_archive" {
  source = "../../modules/account-baseline"

  management_account_id = local.account_ids["management"]
  providers             = { aws = aws.log_archive }
}

module "baseline_shared_services" {
  source = "../../modules/account-baseline"

  management_account_id = local.account_ids["management"]
  providers             = { aws = aws.shared_services }
}

module "baseline_analytics" {
  source = "../../modules/account-baseline"

  management_account_id = local.account_ids["management"]
  providers             = { aws = aws.analytics }
}

module "baseline_team_a" {
  source = "../../modules/account-baseline"

  management_account_id = local.account_ids["management"]
  providers             = { aws = aws.team_a }
}

module "baseline_team_b" {
  source = "../../modules/account-baseline"

  management_account_id = local.account_ids["management"]
  providers             = { aws = aws.team_b }
}

# --- the organization's trail --------------------------------------------------------------------

module "log_archive" {
  source = "../../modules/log-archive"

  name            = local.name
  bucket_name     = "${local.name}-audit-${local.account_ids["log-archive"]}"
  organization_id = module.accounts.organization_id
  trail_arn       = local.trail_arn
  lock_mode       = var.audit_lock_mode
  lock_days       = var.audit_lock_days

  providers = { aws = aws.log_archive }
}

module "audit_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-audit"
  description = "The audit log group and the topic of its alarms."

  services = {
    LogGroup = {
      principal = "logs.${var.region}.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = {
        ArnEquals = {
          "kms:EncryptionContext:aws:logs:arn" = ["arn:${data.aws_partition.current.partition}:logs:${var.region}:${local.account_ids["management"]}:log-group:/minilab/${local.name}/trail"]
        }
      }
    }
    Alarms = {
      principal  = "cloudwatch.amazonaws.com"
      actions    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      conditions = { StringEquals = { "aws:SourceAccount" = [local.account_ids["management"]] } }
    }
  }
}

module "trail" {
  source = "../../modules/organization-trail"

  name                  = local.name
  trail_arn             = local.trail_arn
  bucket_name           = module.log_archive.bucket_name
  kms_key_arn           = module.log_archive.kms_key_arn
  log_group_kms_key_arn = module.audit_key.arn
}

module "alarms" {
  source = "../../modules/audit-alarms"

  name           = local.name
  log_group_name = module.trail.log_group_name
  kms_key_arn    = module.audit_key.arn
  emails         = var.audit_emails
}
