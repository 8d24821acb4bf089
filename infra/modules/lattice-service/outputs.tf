output "arn" {
  description = "ARN of the service."
  value       = aws_vpclattice_service.this.arn
}

output "target_group_arn" {
  description = "Target group to which the stack that runs the service attaches it."
  value       = aws_vpclattice_target_group.this.arn
}

output "domain_name" {
  description = "Host name at which callers find the service."
  value       = try(aws_vpclattice_service_network_service_association.this.dns_entry[0].domain_name, null)
}
