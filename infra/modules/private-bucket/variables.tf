variable "name" {
  description = "Name of the bucket, unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,54}[a-z0-9]$", var.name))
    error_message = "A bucket's name is minilab-<environment>-<purpose>, up to 63 lower-case letters, digits and hyphens."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts every object."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "Give a KMS key's ARN (not an alias: S3 would resolve it in the account of the writer)."
  }
}

variable "noncurrent_days" {
  description = "Days for which an overwritten or deleted version is kept."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1
    error_message = "Keep replaced versions for at least one day."
  }
}

variable "archive_after_days" {
  description = "Days after which objects go to Glacier Instant Retrieval; never when null."
  type        = number
  default     = null
}

variable "expire_after_days" {
  description = "Days after which objects expire; never when null."
  type        = number
  default     = null

  validation {
    condition     = var.expire_after_days == null || try(var.expire_after_days > coalesce(var.archive_after_days, 0), false)
    error_message = "Objects must expire later than they are archived."
  }
}

variable "expire_prefixes" {
  description = "Days after which what lies below a prefix expires, by the prefix."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for prefix, days in var.expire_prefixes : endswith(prefix, "/") && days >= 1])
    error_message = "A prefix ends with a slash, and its objects live for at least one day."
  }
}

variable "object_lock" {
  description = "Default retention, with which no version can be removed: GOVERNANCE (some may lift it) or COMPLIANCE (nobody may)."
  type = object({
    mode = string
    days = number
  })
  default = null

  validation {
    condition     = var.object_lock == null || contains(["GOVERNANCE", "COMPLIANCE"], try(var.object_lock.mode, ""))
    error_message = "Object lock knows the modes GOVERNANCE and COMPLIANCE."
  }

  validation {
    condition     = var.object_lock == null || try(var.object_lock.days >= 1, false)
    error_message = "Lock objects for at least one day."
  }
}

variable "extra_statements" {
  description = "Further statements of the bucket policy, as a JSON list."
  type        = string
  default     = "[]"

  validation {
    condition     = can([for statement in jsondecode(var.extra_statements) : statement.Effect])
    error_message = "Give a JSON list of policy statements, as jsonencode([...]) makes it."
  }
}
