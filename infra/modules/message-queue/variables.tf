variable "name" {
  description = "Name of the queue: minilab-<environment>-<what>. One that ends with .fifo is FIFO, in high-throughput mode."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,66}[a-z0-9]([.]fifo)?$", var.name))
    error_message = "A queue's name is minilab-<environment>-<what>, up to 80 lower-case letters, digits and hyphens, and .fifo where it is FIFO."
  }
}

variable "dead_letter_name" {
  description = "Name of the queue for what was received five times in vain; none when null."
  type        = string
  default     = null

  validation {
    condition     = var.dead_letter_name == null || try(endswith(var.dead_letter_name, ".fifo") == endswith(var.name, ".fifo"), false)
    error_message = "A FIFO queue has FIFO dead letters, and a standard queue standard ones."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts every message."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "Give a KMS key's ARN."
  }
}

variable "grants" {
  description = "What roles of other accounts may do with the queue, by statement id."
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
    condition     = alltrue(flatten([for grant in var.grants : [for action in grant.actions : startswith(action, "sqs:") && !can(regex("[*]", action))]])) && alltrue([for grant in var.grants : length(grant.actions) > 0])
    error_message = "Name the sqs: actions that the roles need, without a wildcard."
  }
}

variable "dead_letter_grants" {
  description = "What roles of other accounts may do with the dead letters, by statement id."
  type = map(object({
    account_id = string
    roles      = list(string)
    actions    = list(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for grant in var.dead_letter_grants : can(regex("^[0-9]{12}$", grant.account_id))])
    error_message = "An account's id has 12 digits."
  }

  validation {
    condition     = alltrue(flatten([for grant in var.dead_letter_grants : [for role in grant.roles : can(regex("^minilab-[A-Za-z0-9_-]+$", role))]])) && alltrue([for grant in var.dead_letter_grants : length(grant.roles) > 0])
    error_message = "Name the roles in full; all of ours begin with minilab-."
  }

  validation {
    condition     = alltrue(flatten([for grant in var.dead_letter_grants : [for action in grant.actions : startswith(action, "sqs:") && !can(regex("[*]", action))]])) && alltrue([for grant in var.dead_letter_grants : length(grant.actions) > 0])
    error_message = "Name the sqs: actions that the roles need, without a wildcard."
  }
}
