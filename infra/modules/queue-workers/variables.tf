variable "name" {
  description = "Name of the service: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,48}[a-z0-9]$", var.name))
    error_message = "A service's name is minilab-<environment>-<what>, up to 57 lower-case letters, digits and hyphens."
  }
}

variable "cluster" {
  description = "Cluster to run in, with Container Insights."
  type = object({
    name = string
    arn  = string
  })
}

variable "task_definition_arn" {
  description = "Task to keep running, with its revision."
  type        = string
}

variable "network" {
  description = "Private subnets, and the security groups that the tasks carry."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })

  validation {
    condition     = length(var.network.subnet_ids) >= 2 && length(var.network.security_group_ids) > 0
    error_message = "Give subnets in at least two zones, and a security group."
  }
}

variable "tasks" {
  description = "How many tasks run at least, and at most."
  type = object({
    least = number
    most  = number
  })

  validation {
    condition     = var.tasks.least >= 1
    error_message = "At least one task runs: none would tell how much waits, and no other would ever be started."
  }

  validation {
    condition     = var.tasks.most >= var.tasks.least
    error_message = "At most as many tasks as run at least, or more."
  }
}

variable "backlog" {
  description = "Metric of this account that tells, from each task, how many messages wait; and how many of them one task may have before it."
  type = object({
    namespace  = string
    name       = string
    dimensions = map(string)
    per_task   = number
  })

  validation {
    condition     = var.backlog.per_task > 0
    error_message = "With no message allowed to wait there would never be tasks enough: give one or more for each."
  }
}
