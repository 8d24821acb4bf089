output "environment" {
  description = "What programs in this account are told (minilab.settings)."
  value       = local.environment_variables
}

output "watched" {
  description = "What alarms watch: the function and its log group."
  value = {
    function_name           = module.function.name
    function_log_group_name = module.function.log_group_name
  }
}
