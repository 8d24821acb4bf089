output "arn" {
  description = "ARN of the association."
  value       = aws_vpclattice_service_network_vpc_association.this.arn
}
