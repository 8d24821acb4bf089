output "id" {
  description = "Id of the API, which its metrics go by."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "Where the API answers."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "access_log_group_name" {
  description = "Name of the access log's group."
  value       = aws_cloudwatch_log_group.access.name
}
