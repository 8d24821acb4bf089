# A VPC per account, and the one way between them. What may cross it is in var.services.
# Runs in the management account and reaches the members.

data "aws_partition" "current" {}

module "accounts" {
  source = "../../modules/organization-accounts"

  required = keys(var.vpcs)
}

locals {
  name        = "minilab-${var.environment}"
  account_ids = module.accounts.ids
  role_arns   = { for name, id in local.account_ids : name => "arn:${data.aws_partition.current.partition}:iam::${id}:role/${var.role_name}" }
  zones       = [for letter in ["a", "b", "c"] : "${var.region}${letter}"]

  # By owner, with names in full and callers' accounts looked up.
  services = {
    for owner in keys(var.vpcs) : owner => {
      for name, service in var.services : "${local.name}-${name}" => {
        target  = service.target
        rules   = service.rules
        callers = { for caller, grant in service.callers : caller => merge(grant, { account_id = local.account_ids[caller] }) }
      } if service.owner == owner
    }
  }
}

module "service_network" {
  source = "../../modules/service-network"

  name            = local.name
  organization_id = module.accounts.organization_id
  shared_with     = { for unit in ["Infrastructure", "Workloads"] : unit => module.accounts.unit_arns[unit] }

  providers = { aws = aws.shared_services }
}

module "shared_services" {
  source = "../../modules/team-network"

  name                = "${local.name}-shared-services"
  organization_id     = module.accounts.organization_id
  cidr                = var.vpcs["shared-services"].cidr
  availability_zones  = local.zones
  interface_endpoints = var.vpcs["shared-services"].interface_endpoints
  service_network_id  = module.service_network.id
  services            = local.services["shared-services"]

  providers = { aws = aws.shared_services }
}

module "analytics" {
  source = "../../modules/team-network"

  name                = "${local.name}-analytics"
  organization_id     = module.accounts.organization_id
  cidr                = var.vpcs["analytics"].cidr
  availability_zones  = local.zones
  interface_endpoints = var.vpcs["analytics"].interface_endpoints
  service_network_id  = module.service_network.id
  services            = local.services["analytics"]

  providers = { aws = aws.analytics }
}

module "team_a" {
  source = "../../modules/team-network"

  name                = "${local.name}-team-a"
  organization_id     = module.accounts.organization_id
  cidr                = var.vpcs["team-a"].cidr
  availability_zones  = local.zones
  interface_endpoints = var.vpcs["team-a"].interface_endpoints
  service_network_id  = module.service_network.id
  services            = local.services["team-a"]

  providers = { aws = aws.team_a }
}

module "team_b" {
  source = "../../modules/team-network"

  name                = "${local.name}-team-b"
  organization_id     = module.accounts.organization_id
  cidr                = var.vpcs["team-b"].cidr
  availability_zones  = local.zones
  interface_endpoints = var.vpcs["team-b"].interface_endpoints
  service_network_id  = module.service_network.id
  services            = local.services["team-b"]

  providers = { aws = aws.team_b }
}
