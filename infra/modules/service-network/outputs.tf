output "id" {
  description = "Id of the service network, once the units can see it."
  value       = aws_vpclattice_service_network.this.id

  # In another account the network does not exist before it is shared.
  depends_on = [aws_ram_resource_association.this, aws_ram_principal_association.this]
}

output "arn" {
  description = "ARN of the service network, once the units can see it."
  value       = aws_vpclattice_service_network.this.arn

  depends_on = [aws_ram_resource_association.this, aws_ram_principal_association.this]
}

output "share_arn" {
  description = "ARN of the RAM share."
  value       = aws_ram_resource_share.this.arn
}
