variable "name" {
  description = "Name of the topic: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,80}[a-z0-9]$", var.name))
    error_message = "A topic's name is minilab-<environment>-<what>, in lower-case letters, digits and hyphens."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts what is told; CloudWatch must be let use it."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
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
