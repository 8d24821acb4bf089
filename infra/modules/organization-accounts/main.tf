# Stacks name accounts; AWS knows ids. The organization is the one place where both are.

data "aws_organizations_organization" "this" {}

locals {
  members = [for account in data.aws_organizations_organization.this.non_master_accounts : account if account.status == "ACTIVE"]

  ids = merge(
    { for account in local.members : account.name => account.id },
    { management = data.aws_organizations_organization.this.master_account_id },
  )

  missing = setsubtract(var.required, keys(local.ids))
}

data "aws_organizations_organizational_units" "this" {
  parent_id = data.aws_organizations_organization.this.roots[0].id
}
