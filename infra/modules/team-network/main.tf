# All of one account's network: its VPC, its place in the service network, and what it offers there.

module "vpc" {
  source = "../team-vpc"

  name                = var.name
  organization_id     = var.organization_id
  cidr                = var.cidr
  availability_zones  = var.availability_zones
  interface_endpoints = var.interface_endpoints
}

module "association" {
  source = "../service-network-association"

  name                       = var.name
  service_network_id         = var.service_network_id
  vpc_id                     = module.vpc.vpc_id
  workload_security_group_id = module.vpc.workload_security_group_id
}

module "service" {
  source   = "../lattice-service"
  for_each = var.services

  name               = each.key
  service_network_id = var.service_network_id
  rules              = each.value.rules
  callers            = each.value.callers
  target             = merge(each.value.target, { vpc_id = each.value.target.type == "LAMBDA" ? null : module.vpc.vpc_id })
}
