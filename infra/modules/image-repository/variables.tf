variable "name" {
  description = "Name of the repository: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,80}[a-z0-9]$", var.name))
    error_message = "A repository's name is minilab-<environment>-<what>, in lower-case letters, digits and hyphens."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the images."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "Give a KMS key's ARN."
  }
}

variable "untagged_days" {
  description = "Days for which an image is kept that no tag names."
  type        = number
  default     = 14

  validation {
    condition     = var.untagged_days >= 1
    error_message = "Keep untagged images for at least one day."
  }
}
