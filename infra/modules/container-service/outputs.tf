output "name" {
  description = "Name of the service, which its metrics go by."
  value       = aws_ecs_service.this.name
}

output "security_group_id" {
  description = "The service's own security group."
  value       = aws_security_group.this.id
}
