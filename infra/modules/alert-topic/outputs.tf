output "arn" {
  description = "ARN of the topic."
  value       = aws_sns_topic.this.arn
}

output "name" {
  description = "Name of the topic, which its metrics go by."
  value       = aws_sns_topic.this.name
}

output "kms_key_arn" {
  description = "Key that encrypts what is told."
  value       = aws_sns_topic.this.kms_master_key_id
}

output "emails" {
  description = "Addresses that are told."
  value       = keys(aws_sns_topic_subscription.email)
}
