variable "name" {
  description = "Name of the instance and prefix of what belongs to it: minilab-<environment>-<what>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9]+(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 46
    error_message = "An instance's name is minilab-<environment>-<what>, up to 46 lower-case letters, digits and single hyphens."
  }
}

variable "database" {
  description = "Name of the database in it."
  type        = string
}

variable "username" {
  description = "Name of its user; RDS makes the password and keeps it in Secrets Manager."
  type        = string

  validation {
    condition     = !contains(["admin", "postgres", "rdsadmin", "user"], var.username)
    error_message = "Give a user's name that says whose it is; RDS keeps some to itself."
  }
}

variable "engine_version" {
  description = "Major version of PostgreSQL; minor ones follow by themselves."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[5-9]$", var.engine_version))
    error_message = "Give a major version from 15 on, such as 17."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.small"
}

variable "storage_gb" {
  description = "Storage in GB at the beginning, and up to which it grows by itself."
  type = object({
    initial = number
    maximum = number
  })
  default = { initial = 20, maximum = 200 }

  validation {
    condition     = var.storage_gb.initial >= 20 && var.storage_gb.maximum > var.storage_gb.initial
    error_message = "Begin with 20 GB or more, and leave room to grow."
  }
}

variable "multi_az" {
  description = "Whether a second zone has a copy that takes over."
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "Days to any moment of which the database can be brought back."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "RDS keeps backups for 1 to 35 days; 0 would switch them off."
  }
}

variable "deletion_protection" {
  description = "Whether it can be deleted only after this is switched off; a last snapshot and the backups are then kept too."
  type        = bool
  default     = true
}

variable "network" {
  description = "VPC and private subnets, in at least two zones."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })

  validation {
    condition     = length(var.network.subnet_ids) >= 2
    error_message = "RDS needs subnets in at least two zones."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts storage, backups and the password."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "Give a KMS key's ARN."
  }
}

variable "log_kms_key_arn" {
  description = "Key that encrypts the log groups."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 365
}
