variable "name" {
  description = "Name of the cluster: minilab-<environment>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,56}$", var.name))
    error_message = "A cluster's name is minilab-<environment>, up to 64 lower-case letters, digits and hyphens."
  }
}

variable "kafka_version" {
  description = "Version of Kafka, as MSK names it."
  type        = string
  default     = "3.7.x.kraft"
}

variable "instance_type" {
  description = "Size of a broker."
  type        = string

  validation {
    condition     = startswith(var.instance_type, "kafka.") && var.instance_type != "kafka.t3.small"
    error_message = "Give a broker's size, such as kafka.m7g.large; kafka.t3.small cannot be reached from other accounts."
  }
}

variable "storage_gb" {
  description = "Storage of a broker in GB."
  type        = number

  validation {
    condition     = var.storage_gb >= 1 && var.storage_gb <= 16384
    error_message = "A broker has 1 to 16384 GB."
  }
}

variable "network" {
  description = "Where brokers are."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })

  validation {
    condition     = length(distinct(var.network.subnet_ids)) == 3
    error_message = "Give a subnet in each of three zones: every partition has three replicas."
  }
}

variable "writers" {
  description = "Roles of other accounts that write, by a name for their statements, and the topics they write to."
  type = map(object({
    account_id = string
    roles      = list(string)
    topics     = list(string)
  }))

  validation {
    condition     = alltrue([for writer in var.writers : can(regex("^[0-9]{12}$", writer.account_id)) && length(writer.roles) > 0 && length(writer.topics) > 0])
    error_message = "A writer has an account's id of 12 digits, at least one role and one topic."
  }

  validation {
    condition     = alltrue(flatten([for writer in var.writers : [for name in concat(writer.roles, writer.topics) : can(regex("^minilab-[A-Za-z0-9_-]+$", name))]]))
    error_message = "Name roles and topics in full; all of ours begin with minilab-."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts what brokers store."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "Give a KMS key's ARN."
  }
}

variable "log_kms_key_arn" {
  description = "Key that encrypts the brokers' log group."
  type        = string
}
