variable "name" {
  description = "Name of the table: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,80}[a-z0-9]$", var.name))
    error_message = "A table's name is minilab-<environment>-<what>, in lower-case letters, digits and hyphens."
  }
}

variable "partition_key" {
  description = "Attribute that is the partition key, a string."
  type        = string
}

variable "sort_key" {
  description = "Attribute that is the sort key, a string; none when null."
  type        = string
  default     = null
}

variable "time_to_live" {
  description = "Attribute with the second since 1970 after which an item may go; none when null."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "Key that encrypts the table."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "Give a KMS key's ARN."
  }
}

variable "deletion_protection" {
  description = "Whether the table can be deleted only after this is switched off."
  type        = bool
  default     = true
}

variable "grants" {
  description = "What roles of other accounts may do with the table, by statement id."
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
    condition     = alltrue(flatten([for grant in var.grants : [for action in grant.actions : startswith(action, "dynamodb:") && !can(regex("[*]", action))]])) && alltrue([for grant in var.grants : length(grant.actions) > 0])
    error_message = "Name the dynamodb: actions that the roles need, without a wildcard."
  }
}
