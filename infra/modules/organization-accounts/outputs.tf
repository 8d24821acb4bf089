output "ids" {
  description = "Ids of the open accounts by name; `management` is the management account."
  value = merge(
    { for account in local.members : account.name => account.id },
    { management = data.aws_organizations_organization.this.master_account_id },
  )
}

output "organization_id" {
  description = "Id of the organization."
  value       = data.aws_organizations_organization.this.id
}

output "unit_arns" {
  description = "ARNs of the organizational units, by name."
  value       = { for unit in data.aws_organizations_organizational_units.this.children : unit.name => unit.arn }
}
