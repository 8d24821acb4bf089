variable "name" {
  description = "Prefix of every name: minilab-<environment>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,10}$", var.name))
    error_message = "The prefix is minilab-<environment>."
  }
}

variable "trail_arn" {
  description = "ARN that the trail will have. It is given because the log bucket must know it first."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9._-]+$", var.trail_arn))
    error_message = "Give the trail's ARN in full."
  }
}

variable "bucket_name" {
  description = "Log bucket, in the log archive's account."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the log bucket."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "Give the key's ARN: it lies in another account."
  }
}

variable "log_group_kms_key_arn" {
  description = "Key of the log group, in this account."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.log_group_kms_key_arn))
    error_message = "Give the key's ARN."
  }
}
