data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  # AWS writes its own logs to groups of this prefix without a policy for each.
  log_group_name = "/aws/vendedlogs/vpc-lattice/${var.name}"
}

resource "aws_vpclattice_service_network" "this" {
  name      = var.name
  auth_type = "AWS_IAM"
}

# The outer wall: signed requests from within the organization. Each service's own policy says who.
resource "aws_vpclattice_auth_policy" "this" {
  resource_identifier = aws_vpclattice_service_network.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "SignedAndOfTheOrganization"
        Effect    = "Allow"
        Principal = "*"
        Action    = "vpc-lattice-svcs:Invoke"
        Resource  = "*"
        Condition = {
          StringEquals    = { "aws:PrincipalOrgID" = var.organization_id }
          StringNotEquals = { "aws:PrincipalType" = "Anonymous" }
        }
      }
    ]
  })
}

# --- shared with the units -----------------------------------------------------------------------

resource "aws_ram_resource_share" "this" {
  name                      = var.name
  allow_external_principals = false
}

resource "aws_ram_resource_association" "this" {
  resource_share_arn = aws_ram_resource_share.this.arn
  resource_arn       = aws_vpclattice_service_network.this.arn
}

resource "aws_ram_principal_association" "this" {
  for_each = var.shared_with

  resource_share_arn = aws_ram_resource_share.this.arn
  principal          = each.value
}

# --- access log ----------------------------------------------------------------------------------

module "log_key" {
  source = "../kms-key"

  name        = "${var.name}-lattice-log"
  description = "Access log of the service network."

  services = {
    LogGroup = {
      principal = "logs.${data.aws_region.current.name}.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = {
        ArnEquals = {
          "kms:EncryptionContext:aws:logs:arn" = ["arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:log-group:${local.log_group_name}"]
        }
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name              = local.log_group_name
  retention_in_days = 365
  kms_key_id        = module.log_key.arn
}

resource "aws_vpclattice_access_log_subscription" "this" {
  resource_identifier = aws_vpclattice_service_network.this.id
  destination_arn     = "${aws_cloudwatch_log_group.access.arn}:*"
}
