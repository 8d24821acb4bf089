variable "name" {
  description = "Name of the service and its security group: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,48}[a-z0-9]$", var.name))
    error_message = "A service's name is minilab-<environment>-<what>, up to 57 lower-case letters, digits and hyphens."
  }
}

variable "cluster_arn" {
  description = "Cluster to run in."
  type        = string
}

variable "task_definition_arn" {
  description = "Task to keep running, with its revision."
  type        = string
}

variable "container" {
  description = "Name of its container, and the port on which that listens; null for none."
  type = object({
    name = string
    port = optional(number)
  })
}

variable "desired_count" {
  description = "Tasks to keep running."
  type        = number
  default     = 1

  validation {
    condition     = var.desired_count >= 0
    error_message = "Fewer than none cannot run."
  }
}

variable "never_twice" {
  description = "Whether the old task ends before a new one begins."
  type        = bool
  default     = false

  validation {
    condition     = !var.never_twice || var.desired_count <= 1
    error_message = "What must not run twice is run at most once."
  }
}

variable "network" {
  description = "VPC, private subnets, and what the tasks carry beside the service's own security group."
  type = object({
    vpc_id             = string
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })

  validation {
    condition     = length(var.network.subnet_ids) >= 2
    error_message = "Give subnets in at least two zones."
  }
}

variable "callers" {
  description = "Security groups that reach the port, by what they are."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(var.callers) == 0 || var.container.port != null
    error_message = "Nothing listens that the callers could reach: give the container's port."
  }
}

variable "discovery" {
  description = "Name under which tasks are found, and the namespace that it is in; none when null."
  type = object({
    name         = string
    namespace_id = string
  })
  default = null
}

variable "lattice_target_group_arn" {
  description = "Target group of VPC Lattice that the tasks join; none when null."
  type        = string
  default     = null

  validation {
    condition     = var.lattice_target_group_arn == null || can(regex("^arn:aws[a-z-]*:vpc-lattice:[a-z0-9-]+:[0-9]{12}:targetgroup/tg-", var.lattice_target_group_arn))
    error_message = "Give a target group's ARN, as the network stack outputs it."
  }

  validation {
    condition     = var.lattice_target_group_arn == null || var.container.port != null
    error_message = "Nothing listens that VPC Lattice could reach: give the container's port."
  }
}
