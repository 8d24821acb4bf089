variable "name" {
  description = "Name of the task, its role and prefix of the rest: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,48}[a-z0-9]$", var.name))
    error_message = "A task's name is minilab-<environment>-<what>, up to 57 lower-case letters, digits and hyphens."
  }
}

variable "description" {
  description = "What the task does."
  type        = string
}

variable "container" {
  description = "Name of its container."
  type        = string
}

variable "image" {
  description = "What runs, by digest: what a digest names never changes."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest: <repository>@sha256:<64 hexadecimal digits>."
  }
}

variable "repository_arn" {
  description = "Repository that the image is pulled from."
  type        = string
}

variable "command" {
  description = "What is run in the container."
  type        = list(string)
}

variable "health_check" {
  description = "Command, without a shell, that ends with 0 while the container is well; none when null."
  type        = list(string)
  default     = null
}

variable "port" {
  description = "Port on which it listens; none when null."
  type        = number
  default     = null
}

variable "user" {
  description = "User and group in the container, by number."
  type        = string

  validation {
    condition     = can(regex("^[1-9][0-9]*:[1-9][0-9]*$", var.user))
    error_message = "Give user and group by number, and not root: 10001:10001."
  }
}

variable "writable" {
  description = "Folders that are written to, by the volume's name; everything else is read-only. The image declares each as a VOLUME, or it would be root's."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for path in values(var.writable) : startswith(path, "/") && path != "/"])
    error_message = "A writable folder is an absolute path, and not the root."
  }
}

variable "cpu" {
  description = "Units of processor, of which 1024 are one core."
  type        = number
  default     = 512

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "Fargate gives 256, 512, 1024, 2048, 4096, 8192 or 16384 units."
  }
}

variable "memory_mb" {
  description = "Memory in MB."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory_mb >= 2 * var.cpu && var.memory_mb <= 8 * max(var.cpu, 256)
    error_message = "Fargate gives two to eight times as many MB of memory as units of processor."
  }
}

variable "architecture" {
  description = "Processor that the image is built for."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "Fargate runs on ARM64 and X86_64."
  }
}

variable "stop_seconds" {
  description = "Seconds between SIGTERM and SIGKILL."
  type        = number
  default     = 60

  validation {
    condition     = var.stop_seconds >= 1 && var.stop_seconds <= 120
    error_message = "Fargate waits for 1 to 120 seconds."
  }
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
}

variable "secrets" {
  description = "Environment variables from Secrets Manager: <ARN>:<key>:: by name."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for secret in values(var.secrets) : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:]+:[A-Za-z0-9_]+::$", secret))])
    error_message = "Name a secret's key in full: <ARN>:<key>::."
  }
}

variable "secrets_kms_key_arn" {
  description = "Key that the secrets are encrypted with; null where there are none."
  type        = string
  default     = null

  validation {
    condition     = var.secrets_kms_key_arn != null || length(var.secrets) == 0
    error_message = "Say which key the secrets are encrypted with."
  }
}

variable "role" {
  description = "Role of the code that was made elsewhere, and gets what is said here; null for one of its own."
  type = object({
    name = string
    arn  = string
  })
  default = null
}

variable "statements" {
  description = "What the code may do, as a JSON list of statements."
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

variable "log_kms_key_arn" {
  description = "Key that encrypts the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 365
}
