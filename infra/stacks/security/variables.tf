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

variable "audit_emails" {
  description = "Addresses that are told of the audit alarms."
  type        = set(string)
}

variable "audit_lock_mode" {
  description = "Object lock of the audit log: COMPLIANCE, or GOVERNANCE for trying things out."
  type        = string
  default     = "COMPLIANCE"
}

variable "audit_lock_days" {
  description = "Days for which the audit log is locked."
  type        = number
  default     = 365
}
