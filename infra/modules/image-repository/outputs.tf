output "arn" {
  description = "ARN of the repository."
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "What an image's name begins with."
  value       = aws_ecr_repository.this.repository_url
}
