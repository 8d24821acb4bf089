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

variable "emails" {
  description = "Who is told, by team: platform, team-a and team-b."
  type        = map(set(string))

  validation {
    condition     = toset(keys(var.emails)) == toset(["platform", "team-a", "team-b"])
    error_message = "Say for each of platform, team-a and team-b who is told, and for nobody else."
  }
}

variable "kafka_cluster_name" {
  description = "Name of the MSK cluster of the streams on Kafka; null where there is none yet: nobody is then told of a consumer's lag."
  type        = string
  default     = null
}

variable "processor_runs_on" {
  description = "What the processor runs on, as the events stack is told: lambda or ecs."
  type        = string
  default     = "lambda"

  validation {
    condition     = contains(["lambda", "ecs"], var.processor_runs_on)
    error_message = "The processor runs on lambda or on ecs."
  }
}

variable "dagster_runs" {
  description = "Whether the orchestration stack has an image to run: without one its services rightly have no tasks."
  type        = bool
  default     = true
}

variable "late_after_seconds" {
  description = "Age of the oldest event on its way, in seconds, from which on data is late."
  type        = number
  default     = 900

  validation {
    condition     = var.late_after_seconds >= 60
    error_message = "SQS tells ages by the minute: give at least 60 seconds."
  }
}

variable "monthly_budget_usd" {
  description = "US dollars a month for all accounts together."
  type        = number

  validation {
    condition     = var.monthly_budget_usd > 0
    error_message = "A budget is more than nothing."
  }
}
