output "arn" {
  description = "ARN of the cluster."
  value       = aws_msk_cluster.this.arn
}

output "bootstrap_brokers" {
  description = "MINILAB_KAFKA_BOOTSTRAP_SERVERS for clients in the same VPC."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_iam
}

output "bootstrap_brokers_from_elsewhere" {
  description = "MINILAB_KAFKA_BOOTSTRAP_SERVERS for clients in other accounts, once their VPC is connected."
  value       = aws_msk_cluster.this.bootstrap_brokers_vpc_connectivity_sasl_iam
}
