output "environment" {
  description = "What programs in this account are told (minilab.settings)."
  value = {
    MINILAB_ENV            = var.environment
    MINILAB_LAKE_BUCKET    = local.lake_bucket
    MINILAB_SHARED_ACCOUNT = local.account_ids["shared-services"]
  }
}

output "api_url" {
  description = "Where the API answers: MINILAB_API_URL of its clients."
  value       = module.api.url
}

output "operator_role_arn" {
  description = "Role to take for `minilab tenants` and `minilab failed`."
  value       = aws_iam_role.operator.arn
}

output "watched" {
  description = "What alarms watch: the API's id, the function, the queues, and the log groups."
  value = {
    api_id                  = module.api.id
    function_name           = module.function.name
    ingest_queue_name       = module.ingest_queue.name
    dead_letter_queue_name  = "${local.name}-ingest-dlq.fifo"
    failed_queue_name       = module.failed_queue.name
    function_log_group_name = module.function.log_group_name
    access_log_group_name   = module.api.access_log_group_name
  }
}
