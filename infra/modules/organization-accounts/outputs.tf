output "ids" {
  description = "Ids of the open accounts by name; `management` is the management account."
  value       = local.ids

  precondition {
    condition     = length(local.missing) == 0
    error_message = "The organization has no open account ${join(", ", local.missing)}: add it in environments/<environment>/organization.tfvars and apply stacks/organization first."
  }
}

output "organization_id" {
  description = "Id of the organization."
  value       = data.aws_organizations_organization.this.id
}

output "unit_arns" {
  description = "ARNs of the organizational units, by name."
  value       = { for unit in data.aws_organizations_organizational_units.this.children : unit.name => unit.arn }
}
