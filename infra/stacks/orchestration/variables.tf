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

variable "image_digest" {
  description = "Digest of the image in the repository that this stack makes. Null until one was pushed: then everything is made, and nothing started."
  type        = string
  default     = null

  validation {
    condition     = var.image_digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "A digest is sha256: and 64 hexadecimal digits, as docker push prints it."
  }
}

variable "architecture" {
  description = "Processor that the image is built for: ARM64 or X86_64."
  type        = string
  default     = "ARM64"
}

variable "database_prefix" {
  description = "What the Glue databases begin with: MINILAB_DATABASE_PREFIX."
  type        = string
  default     = "minilab"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.database_prefix))
    error_message = "Use lower-case letters, digits and underscores, beginning with a letter."
  }
}

variable "kafka" {
  description = "Whether shared services has a Kafka cluster, from which runs then land."
  type        = bool
  default     = false
}

variable "lattice_target_group_arn" {
  description = "Target group of the service `dagster`, as the network stack outputs it: the UI is found there. Null: it is reached by nobody."
  type        = string
  default     = null

  validation {
    condition     = var.lattice_target_group_arn == null || can(regex("^arn:aws[a-z-]*:vpc-lattice:[a-z0-9-]+:[0-9]{12}:targetgroup/tg-", var.lattice_target_group_arn))
    error_message = "Give a target group's ARN, as the network stack outputs it."
  }
}

variable "database" {
  description = "Size of Dagster's database, whether a second zone has a copy, and for how many days it can be brought back."
  type = object({
    instance_class = string
    multi_az       = bool
    backup_days    = number
  })
  default = { instance_class = "db.t4g.medium", multi_az = true, backup_days = 14 }
}

variable "deletion_protection" {
  description = "Whether the database can be deleted only after this is switched off."
  type        = bool
  default     = true
}
