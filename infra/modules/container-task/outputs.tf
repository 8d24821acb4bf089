output "arn" {
  description = "ARN of the task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "family" {
  description = "Family of the task definition: its name without the revision."
  value       = aws_ecs_task_definition.this.family
}

output "role_arns" {
  description = "Roles that whoever starts the task must be allowed to pass: the task's own, and the one that ECS starts it with."
  value       = [local.role.arn, aws_iam_role.execution.arn]
}

output "log_group_name" {
  description = "Name of its log group."
  value       = aws_cloudwatch_log_group.this.name
}
