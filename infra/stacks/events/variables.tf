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

variable "maximum_concurrency" {
  description = "Invocations at once at most; the next messages wait in the queue."
  type        = number
  default     = 50

  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000
    error_message = "An event source mapping takes 2 to 1000 invocations at once."
  }
}

variable "kafka" {
  description = "Whether shared services has a Kafka cluster, to which this stack then makes a way."
  type        = bool
  default     = false
}
