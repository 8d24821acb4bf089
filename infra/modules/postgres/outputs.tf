output "host" {
  description = "Host name of the instance."
  value       = aws_db_instance.this.address
}

output "identifier" {
  description = "Identifier of the instance, which its metrics go by."
  value       = aws_db_instance.this.identifier
}

output "secret_arn" {
  description = "ARN of the secret with `username` and `password`."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "client_security_group_id" {
  description = "Security group that reaches the instance."
  value       = aws_security_group.client.id
}
