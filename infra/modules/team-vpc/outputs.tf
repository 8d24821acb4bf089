output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Ids of the private subnets, by zone."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }
}

output "workload_security_group_id" {
  description = "Security group for whatever runs in the VPC."
  value       = aws_security_group.workload.id
}

output "endpoint_ids" {
  description = "Ids of the endpoints by service: what a bucket or key policy can name in aws:SourceVpce."
  value = merge(
    { for service, endpoint in aws_vpc_endpoint.gateway : service => endpoint.id },
    { for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id },
  )
}
