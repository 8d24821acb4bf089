output "service_network_arn" {
  description = "ARN of the service network."
  value       = module.service_network.arn
}

output "networks" {
  description = "By account: VPC, private subnets by zone, and the security group for what runs there."
  value = {
    for account, network in {
      shared-services = module.shared_services
      analytics       = module.analytics
      team-a          = module.team_a
      team-b          = module.team_b
      } : account => {
      vpc_id                     = network.vpc_id
      private_subnet_ids         = network.private_subnet_ids
      workload_security_group_id = network.workload_security_group_id
    }
  }
}

output "services" {
  description = "By service: its ARN, the target group to attach to, and the host name to call."
  value       = merge(module.shared_services.services, module.analytics.services, module.team_a.services, module.team_b.services)
}
