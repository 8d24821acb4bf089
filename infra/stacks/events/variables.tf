variable "environment" {
  description = "Which environment: part of every name. Each environment is an organization of its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$", var.environment))
    error_message = "An environment's name has 1 to 10 lower-case letters, digits and inner hyphens, such as 'dev'."
  }
}

variable "region" {
  description = "The one region in which anything runs."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Give a region's code, such as eu-central-1."
  }
}

variable "role_name" {
  description = "Role to assume in each member account: minilab-terraform-plan or -apply, or the one that AWS makes with an account, until those exist."
  type        = string
  default     = "OrganizationAccountAccessRole"
}

variable "runs_on" {
  description = "What the processor is: a function that the queue feeds (lambda), or a service that takes from it (ecs)."
  type        = string
  default     = "lambda"

  validation {
    condition     = contains(["lambda", "ecs"], var.runs_on)
    error_message = "The processor runs on lambda or on ecs."
  }

  validation {
    condition     = var.runs_on != "ecs" || var.service.image_digest != null
    error_message = "A service needs an image: push one to repository_url, and give its digest in service.image_digest."
  }
}

variable "service" {
  description = "The service: digest of the image in the repository that this stack makes, what it is built for, size of a task, how many tasks at most, and how many messages may wait for each."
  type = object({
    image_digest     = optional(string)
    architecture     = optional(string, "ARM64")
    cpu              = optional(number, 1024)
    memory_mb        = optional(number, 2048)
    most_tasks       = optional(number, 10)
    backlog_per_task = optional(number, 1000)
  })
  default = {}

  validation {
    condition     = var.service.image_digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.service.image_digest))
    error_message = "A digest is sha256: and 64 hexadecimal digits, as docker push prints it."
  }
}

variable "package_manifest" {
  description = "What `make packages` wrote: the manifest of the functions' zips, relative to this folder."
  type        = string
  default     = "../../../dist/lambda/manifest.json"
}

variable "memory_mb" {
  description = "Memory of the function in MB."
  type        = number
  default     = 1024
}

variable "maximum_concurrency" {
  description = "Invocations at once at most; the next messages wait in the queue."
  type        = number
  default     = 50

  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000
    error_message = "An event source mapping takes 2 to 1000 invocations at once."
  }
}

variable "kafka" {
  description = "Whether shared services has a Kafka cluster, to which this stack then makes a way."
  type        = bool
  default     = false
}
