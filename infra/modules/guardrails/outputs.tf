output "policies" {
  description = "The service control policies as JSON, by name."
  value       = local.policies
}
