output "vpc_id" {
  description = "Id of the VPC."
  value       = module.vpc.vpc_id
}

output "private_subnet_ids" {
  description = "Ids of the private subnets, by zone."
  value       = module.vpc.private_subnet_ids
}

output "workload_security_group_id" {
  description = "Security group for whatever runs in the VPC."
  value       = module.vpc.workload_security_group_id
}

output "services" {
  description = "Of each service offered: its ARN, target group and host name."
  value = {
    for name, service in module.service : name => {
      arn              = service.arn
      target_group_arn = service.target_group_arn
      domain_name      = service.domain_name
    }
  }
}
