output "plan_role" {
  description = "Name and ARN of the role for `terraform plan`."
  value       = { name = aws_iam_role.plan.name, arn = aws_iam_role.plan.arn }
}

output "apply_role" {
  description = "Name and ARN of the role for `terraform apply`."
  value       = { name = aws_iam_role.apply.name, arn = aws_iam_role.apply.arn }
}
