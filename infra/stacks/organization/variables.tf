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

variable "accounts" {
  description = "Member accounts by name, with their organizational unit and, where it is not of the same name, the owning team. A new team is one more entry."
  type = map(object({
    unit  = string
    owner = optional(string)
  }))
}

variable "email_pattern" {
  description = "Address of an account's root user; %s stands for the account's name."
  type        = string

  validation {
    condition     = length(split("%s", var.email_pattern)) == 2
    error_message = "The pattern needs one %s for the account's name, such as aws+%s@example.com."
  }
}

variable "close_accounts_on_deletion" {
  description = "Whether an account that leaves the map is closed."
  type        = bool
  default     = false
}
