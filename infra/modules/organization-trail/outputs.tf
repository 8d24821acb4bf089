output "arn" {
  description = "ARN of the trail."
  value       = aws_cloudtrail.this.arn
}

output "log_group_name" {
  description = "Log group with the same events, for metric filters."
  value       = aws_cloudwatch_log_group.this.name
}
