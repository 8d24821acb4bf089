output "arns" {
  description = "ARNs of the alarms, by name."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.arn }
}

output "names" {
  description = "Names of the alarms in full, by name."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.alarm_name }
}
