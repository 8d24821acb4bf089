variable "name" {
  description = "Name of the key's alias, without `alias/`."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,80}$", var.name))
    error_message = "A key's name is minilab-<environment>-<purpose>, in lower-case letters, digits and hyphens."
  }
}

variable "description" {
  description = "What the key encrypts."
  type        = string
}

variable "services" {
  description = "AWS services that may use the key, by statement id: principal, actions, and the conditions that bind them to one user of it."
  type = map(object({
    principal  = string
    actions    = list(string)
    conditions = map(map(list(string)))
  }))
  default = {}

  validation {
    condition     = alltrue([for use in var.services : length(use.conditions) > 0])
    error_message = "A service may use the key only under a condition (a source ARN, account or encryption context): without one, anyone's use of that service could."
  }

  validation {
    condition     = alltrue(flatten([for use in var.services : [for action in use.actions : startswith(action, "kms:") && action != "kms:*"]]))
    error_message = "Name the kms: actions that a service needs; kms:* is for the key's own account."
  }
}

variable "grants" {
  description = "Roles of other accounts that may use the key, by statement id."
  type = map(object({
    account_id = string
    roles      = list(string)
    actions    = list(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for grant in var.grants : can(regex("^[0-9]{12}$", grant.account_id))])
    error_message = "An account's id has 12 digits."
  }

  validation {
    condition     = alltrue(flatten([for grant in var.grants : [for role in grant.roles : can(regex("^minilab-[A-Za-z0-9_-]+$", role))]])) && alltrue([for grant in var.grants : length(grant.roles) > 0])
    error_message = "Name the roles in full; all of ours begin with minilab-."
  }

  validation {
    condition     = alltrue(flatten([for grant in var.grants : [for action in grant.actions : startswith(action, "kms:") && !can(regex("[*]", action))]])) && alltrue([for grant in var.grants : length(grant.actions) > 0])
    error_message = "Name the kms: actions that the roles need, without a wildcard."
  }
}

variable "deletion_window_in_days" {
  description = "Days in which the key's deletion can be cancelled."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_in_days >= 7 && var.deletion_window_in_days <= 30
    error_message = "KMS waits 7 to 30 days before it deletes a key."
  }
}
