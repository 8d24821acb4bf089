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

variable "database_prefix" {
  description = "What the Glue databases begin with: MINILAB_DATABASE_PREFIX."
  type        = string
  default     = "minilab"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.database_prefix))
    error_message = "Use lower-case letters, digits and underscores, beginning with a letter."
  }
}

variable "gigabytes_per_query" {
  description = "Gigabytes that one query of dbt or Dagster may scan."
  type        = number
  default     = 1000
}

variable "gigabytes_per_question" {
  description = "Gigabytes that one query of an analyst may scan."
  type        = number
  default     = 100
}
