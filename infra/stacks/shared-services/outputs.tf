output "environment" {
  description = "What programs in this account are told (minilab.settings)."
  value = merge(
    {
      MINILAB_ENV               = var.environment
      MINILAB_LAKE_BUCKET       = module.lake.name
      MINILAB_RESULTS_BUCKET    = module.results.name
      MINILAB_INGESTION_ACCOUNT = local.account_ids["team-a"]
    },
    var.kafka == null ? {} : {
      MINILAB_KAFKA_BOOTSTRAP_SERVERS = module.kafka[0].bootstrap_brokers
      MINILAB_KAFKA_SECURITY          = "MSK_IAM"
    },
  )
}

output "kafka_cluster_arn" {
  description = "ARN of the Kafka cluster, to make topics with; null where there is none."
  value       = one(module.kafka[*].arn)
}

output "queue_names" {
  description = "The streams' queues, by stream: what alarms watch."
  value       = { for stream, queue in module.stream_queue : stream => queue.name }
}

output "lake_key_arn" {
  description = "Key of the lake and of Athena's results."
  value       = module.lake_key.arn
}
