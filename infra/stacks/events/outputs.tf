output "repository_url" {
  description = "Where to push the processor's image to; `service.image_digest` names it then."
  value       = module.repository.url
}

output "environment" {
  description = "What programs in this account are told (minilab.settings)."
  value       = local.environment_variables
}

output "watched" {
  description = "What alarms watch: the function, or the service and its cluster; and the log group."
  value = {
    function_name  = one(module.function[*].name)
    cluster_name   = one(aws_ecs_cluster.this[*].name)
    service_name   = one(module.workers[*].name)
    log_group_name = one(concat(module.function[*].log_group_name, module.task[*].log_group_name))
  }
}
