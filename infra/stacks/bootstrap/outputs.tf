output "state_bucket" {
  description = "Bucket for `environments/<environment>/backend.hcl`."
  value       = module.state.name
}

output "state_kms_key_alias" {
  description = "Key for `environments/<environment>/backend.hcl`."
  value       = module.state_key.alias
}

output "plan_role_arn" {
  description = "Role that a workflow assumes to plan."
  value       = module.roles.plan_role.arn
}

output "apply_role_arn" {
  description = "Role that a workflow assumes to apply."
  value       = module.roles.apply_role.arn
}
