output "id" {
  description = "Id of the organization."
  value       = aws_organizations_organization.this.id
}

output "root_id" {
  description = "Id of the organization's root: what applies to it applies to every member."
  value       = aws_organizations_organization.this.roots[0].id
}

output "account_ids" {
  description = "Account ids by name, the management account among them."
  value = merge(
    { management = aws_organizations_organization.this.master_account_id },
    { for name, account in aws_organizations_account.this : name => account.id },
  )
}

output "unit_arns" {
  description = "ARNs of the organizational units, by name."
  value       = { for name, unit in aws_organizations_organizational_unit.this : name => unit.arn }
}
