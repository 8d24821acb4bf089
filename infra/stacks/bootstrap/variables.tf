variable "environment" {
  description = "Which environment: part of every name. Each environment is an organization of its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$", var.environment))
    error_message = "An environment's name has 1 to 10 lower-case letters, digits and inner hyphens, such as 'dev'."
  }
}

variable "region" {
  description = "Region of the state bucket and of everything else."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Give a region's code, such as eu-central-1."
  }
}

variable "github_repository" {
  description = "GitHub repository whose workflows may plan and apply, as owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "Name one repository as owner/name; a wildcard would let other repositories in."
  }
}
