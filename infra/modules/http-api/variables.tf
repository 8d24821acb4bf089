variable "name" {
  description = "Name of the API: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,80}[a-z0-9]$", var.name))
    error_message = "An API's name is minilab-<environment>-<what>, in lower-case letters, digits and hyphens."
  }
}

variable "description" {
  description = "What the API is for."
  type        = string
}

variable "function" {
  description = "Lambda function that answers every request: its name and invoke ARN."
  type = object({
    name       = string
    invoke_arn = string
  })
}

variable "timeout_seconds" {
  description = "Seconds after which API Gateway gives a request up; more than the function takes."
  type        = number
  default     = 29

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 29
    error_message = "An HTTP API waits for 1 to 29 seconds."
  }
}

variable "throttling" {
  description = "Requests a second that are let through over time, and at once; the tenants' own limits come after."
  type = object({
    rate  = number
    burst = number
  })

  validation {
    condition     = var.throttling.rate > 0 && var.throttling.burst > 0
    error_message = "Let at least something through."
  }
}

variable "log_kms_key_arn" {
  description = "Key that encrypts the access log."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which the access log is kept."
  type        = number
  default     = 365
}
