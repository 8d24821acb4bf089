variable "name" {
  description = "Name of the function, its role and its log group: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,54}[a-z0-9]$", var.name))
    error_message = "A function's name is minilab-<environment>-<what>, up to 63 lower-case letters, digits and hyphens."
  }
}

variable "description" {
  description = "What the function does."
  type        = string
}

variable "package" {
  description = "What runs, as the manifest of infra/packages says it: path of the zip, its hash, handler, runtime and architecture."
  type = object({
    file             = string
    source_code_hash = string
    handler          = string
    runtime          = string
    architecture     = string
  })

  validation {
    condition     = contains(["arm64", "x86_64"], var.package.architecture)
    error_message = "Lambda runs on arm64 and x86_64."
  }
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
}

variable "environment_kms_key_arn" {
  description = "Key that encrypts the environment variables."
  type        = string
}

variable "role" {
  description = "Role to run with that was made elsewhere, and gets what is said here; null for one of its own."
  type = object({
    name = string
    arn  = string
  })
  default = null
}

variable "statements" {
  description = "What the function's code may do, as a JSON list of statements."
  type        = string

  validation {
    condition     = can([for statement in jsondecode(var.statements) : [statement.Sid, statement.Action, statement.Resource]])
    error_message = "Give a JSON list of statements with Sid, Action and Resource, as jsonencode([...]) makes it."
  }

  validation {
    condition     = !can(regex("\"[a-z0-9-]+:[*]\"", var.statements))
    error_message = "Name the actions that the code was seen to use; a service's * is not one."
  }
}

variable "network" {
  description = "Private subnets and security groups to run in."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })

  validation {
    condition     = length(var.network.subnet_ids) >= 2 && length(var.network.security_group_ids) > 0
    error_message = "Give subnets in at least two zones, and a security group."
  }
}

variable "memory_mb" {
  description = "Memory in MB; processors come in proportion to it."
  type        = number
  default     = 1024
}

variable "timeout_seconds" {
  description = "Seconds after which an invocation is ended."
  type        = number

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "Lambda runs for 1 to 900 seconds."
  }
}

variable "reserved_concurrency" {
  description = "Invocations at once at most, kept free for this function; -1 for what the account has left."
  type        = number
  default     = -1
}

variable "log_kms_key_arn" {
  description = "Key that encrypts the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 365
}
