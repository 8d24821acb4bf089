output "name" {
  description = "Name of the service, which its metrics go by."
  value       = aws_ecs_service.this.name
}
