variable "name" {
  description = "Prefix of every name: minilab-<environment>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,10}$", var.name))
    error_message = "The prefix is minilab-<environment>."
  }
}

variable "bucket_name" {
  description = "Name of the log bucket, unique in all of AWS."
  type        = string
}

variable "organization_id" {
  description = "Id of the organization: the trail writes under it."
  type        = string

  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "An organization's id looks like o-a1b2c3d4e5."
  }
}

variable "trail_arn" {
  description = "ARN of the organization's trail: the only one that may write."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9._-]+$", var.trail_arn))
    error_message = "Give the trail's ARN in full."
  }
}

variable "lock_mode" {
  description = "COMPLIANCE: nobody can remove a log before its time, AWS's root user included. GOVERNANCE: for trying things out."
  type        = string
  default     = "COMPLIANCE"
}

variable "lock_days" {
  description = "Days for which no log can be changed or removed."
  type        = number
  default     = 365
}

variable "archive_after_days" {
  description = "Days after which logs go to Glacier Instant Retrieval."
  type        = number
  default     = 90
}

variable "expire_after_days" {
  description = "Days after which logs expire."
  type        = number
  default     = 2557

  validation {
    condition     = var.expire_after_days >= var.lock_days
    error_message = "Logs cannot expire while they are locked."
  }
}
