variable "environment" {
  description = "Which environment: part of every name. Each environment is an organization of its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$", var.environment))
    error_message = "An environment's name has 1 to 10 lower-case letters, digits and inner hyphens, such as 'dev'."
  }
}

variable "region" {
  description = "The one region in which anything runs."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Give a region's code, such as eu-central-1."
  }
}

variable "role_name" {
  description = "Role to assume in each member account: minilab-terraform-plan or -apply, or the one that AWS makes with an account, until those exist."
  type        = string
  default     = "OrganizationAccountAccessRole"
}

variable "vpcs" {
  description = "One VPC per account: its range, and the AWS services that it reaches over interface endpoints."
  type = map(object({
    cidr                = string
    interface_endpoints = optional(set(string), [])
  }))

  validation {
    condition     = length(setsubtract(["shared-services", "analytics", "team-a", "team-b"], keys(var.vpcs))) == 0 && length(var.vpcs) == 4
    error_message = "Give a VPC for each of shared-services, analytics, team-a and team-b. A new team also needs a provider and a module block in this stack."
  }

  validation {
    condition     = alltrue([for vpc in var.vpcs : can(cidrnetmask(vpc.cidr))])
    error_message = "Give IPv4 ranges, such as 10.20.0.0/20."
  }

  # Two ranges overlap exactly when the wider one's prefix length gives both the same first address.
  validation {
    condition = alltrue(flatten([
      for one, a in var.vpcs : [
        for other, b in var.vpcs : try(
          cidrhost("${split("/", a.cidr)[0]}/${min(split("/", a.cidr)[1], split("/", b.cidr)[1])}", 0)
          != cidrhost("${split("/", b.cidr)[0]}/${min(split("/", a.cidr)[1], split("/", b.cidr)[1])}", 0),
          false,
        ) if one != other
      ]
    ]))
    error_message = "The VPCs' ranges must not overlap: what is in a log or a policy has to name one place."
  }
}

variable "services" {
  description = "All that crosses from one team to another: by service its owner, what answers, which requests exist, and who may make them. There is no other way."
  type = map(object({
    owner = string
    target = object({
      type        = string
      port        = optional(number, 443)
      protocol    = optional(string, "HTTPS")
      health_path = optional(string, "/")
    })
    rules = map(object({
      priority    = number
      method      = string
      path_prefix = string
    }))
    callers = map(object({
      roles   = list(string)
      methods = list(string)
      paths   = list(string)
    }))
  }))

  validation {
    condition     = alltrue([for service in var.services : contains(["shared-services", "analytics", "team-a", "team-b"], service.owner)])
    error_message = "A service's owner is an account with a VPC."
  }

  validation {
    condition     = alltrue(flatten([for service in var.services : [for caller in keys(service.callers) : contains(["shared-services", "analytics", "team-a", "team-b"], caller)]]))
    error_message = "A service's callers are named by account, and each has a VPC."
  }

  validation {
    condition     = alltrue([for service in var.services : !contains(keys(service.callers), service.owner)])
    error_message = "The owner reaches its own service within its VPC; list only other accounts as callers."
  }
}
