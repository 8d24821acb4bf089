output "repository_url" {
  description = "Where to push the image to; `image_digest` names it then."
  value       = module.repository.url
}

output "environment" {
  description = "What programs in the tasks are told (minilab.settings, infra/images/dagster/dagster.yaml)."
  value       = local.environment_variables
}

output "watched" {
  description = "What alarms watch: the cluster, its services, and the database."
  value = {
    cluster_name  = aws_ecs_cluster.this.name
    service_names = { for name, service in { webserver = module.webserver, daemon = module.daemon, code = module.code } : name => service.name }
    database      = module.database.identifier
  }
}
