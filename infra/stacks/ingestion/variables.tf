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

variable "deletion_protection" {
  description = "Whether tables can be deleted only after this is switched off."
  type        = bool
  default     = true
}

variable "package_manifest" {
  description = "What `make packages` wrote: the manifest of the functions' zips, relative to this folder."
  type        = string
  default     = "../../../dist/lambda/manifest.json"
}

variable "memory_mb" {
  description = "Memory of the function in MB."
  type        = number
  default     = 1024
}

variable "reserved_concurrency" {
  description = "Requests at once at most, kept free for the API; -1 for what the account has left."
  type        = number
  default     = -1
}

variable "throttling" {
  description = "Requests a second that the API lets through over time, and at once. The tenants' own limits come after."
  type = object({
    rate  = number
    burst = number
  })
  default = { rate = 1000, burst = 2000 }
}

variable "operators" {
  description = "ARNs of the roles that may take the operator's, such as that of the people on call. None: whom team A's own policies let."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operators : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "Give ARNs of IAM roles, without wildcards."
  }
}

variable "lattice_target_group_arn" {
  description = "Target group of the service `ingest`, as the network stack outputs it, to answer within the service network too; null for not."
  type        = string
  default     = null

  validation {
    condition     = var.lattice_target_group_arn == null || can(regex("^arn:aws[a-z-]*:vpc-lattice:[a-z0-9-]+:[0-9]{12}:targetgroup/", var.lattice_target_group_arn))
    error_message = "Give a VPC Lattice target group's ARN."
  }
}
