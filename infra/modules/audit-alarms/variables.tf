variable "name" {
  description = "Prefix of every name: minilab-<environment>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,10}$", var.name))
    error_message = "The prefix is minilab-<environment>."
  }
}

variable "log_group_name" {
  description = "Log group that holds the trail's events."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the topic."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "Give the key's ARN; CloudWatch cannot use the key alias/aws/sns."
  }
}

variable "emails" {
  description = "Addresses that are told. AWS asks each for its consent."
  type        = set(string)

  validation {
    condition     = length(var.emails) > 0
    error_message = "An alarm that reaches nobody is none: give at least one address."
  }

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", email))])
    error_message = "Give email addresses."
  }
}
