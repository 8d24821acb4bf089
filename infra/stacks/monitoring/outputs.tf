output "topic_arns" {
  description = "Topic of each team, and `runs`, on which Dagster tells of runs that failed."
  value       = { for name, topic in module.topic : name => topic.arn }
}

output "alarm_names" {
  description = "Names of the alarms, by team."
  value       = { for team, alarms in module.alarms : team => sort(values(alarms.names)) }
}

output "late_alarm_name" {
  description = "The composite alarm: data is late."
  value       = aws_cloudwatch_composite_alarm.late.alarm_name
}

output "dashboard_names" {
  description = "Dashboard of each team."
  value       = { for team, dashboard in aws_cloudwatch_dashboard.this : team => dashboard.dashboard_name }
}
