output "organization_id" {
  description = "Id of the organization."
  value       = module.organization.id
}

output "account_ids" {
  description = "Account ids by name."
  value       = module.organization.account_ids
}

output "unit_arns" {
  description = "ARNs of the organizational units, by name."
  value       = module.organization.unit_arns
}
