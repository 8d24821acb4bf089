resource "aws_organizations_organization" "this" {
  feature_set          = "ALL"
  enabled_policy_types = ["SERVICE_CONTROL_POLICY"]

  aws_service_access_principals = [
    "cloudtrail.amazonaws.com", # one trail for all accounts
    "ram.amazonaws.com",        # the service network, shared with units
  ]
}

# Sharing within the organization needs RAM's own consent beside the organization's.
resource "aws_ram_sharing_with_organization" "this" {
  depends_on = [aws_organizations_organization.this]
}

resource "aws_organizations_organizational_unit" "this" {
  for_each = toset([for account in var.accounts : account.unit])

  name      = each.value
  parent_id = aws_organizations_organization.this.roots[0].id
}

resource "aws_organizations_account" "this" {
  for_each = var.accounts

  name                       = each.key
  email                      = each.value.email
  parent_id                  = aws_organizations_organizational_unit.this[each.value.unit].id
  role_name                  = "OrganizationAccountAccessRole"
  iam_user_access_to_billing = "DENY"
  close_on_deletion          = var.close_accounts_on_deletion

  tags = { Owner = each.value.owner }

  lifecycle {
    # AWS does not tell them afterwards, so an imported account would be replaced.
    ignore_changes = [role_name, iam_user_access_to_billing]
  }
}
