variable "name" {
  description = "What every alarm's name begins with: minilab-<environment>-<team>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,60}[a-z0-9]$", var.name))
    error_message = "Alarms' names begin with minilab-<environment>-<team>."
  }
}

variable "topic_arns" {
  description = "Topics that are told when an alarm goes off, and when it is over."
  type        = list(string)

  validation {
    condition     = length(var.topic_arns) > 0
    error_message = "An alarm that reaches nobody is none: give at least one topic."
  }
}

variable "alarms" {
  description = "By name: what is wrong and what to do then, the metrics (each with the account that it is in) by the id under which `expression` knows them, and when they are wrong. Without an expression there is one metric."
  type = map(object({
    description = string
    advice      = string
    metrics = map(object({
      namespace  = string
      name       = string
      dimensions = map(string)
      statistic  = string
      account_id = string
    }))
    expression     = optional(string)
    comparison     = optional(string, "GreaterThanThreshold")
    threshold      = number
    period_seconds = optional(number, 300)
    periods        = optional(number, 1)
    datapoints     = optional(number)
    missing        = optional(string, "notBreaching")
  }))

  validation {
    condition     = alltrue([for alarm in var.alarms : alarm.expression != null || length(alarm.metrics) == 1])
    error_message = "Several metrics need an expression that makes one number of them."
  }

  validation {
    condition     = alltrue([for alarm in var.alarms : length(alarm.metrics) >= 1 && length(alarm.metrics) <= 10])
    error_message = "An alarm takes 1 to 10 metrics."
  }

  validation {
    condition     = alltrue(flatten([for alarm in var.alarms : [for id in keys(alarm.metrics) : can(regex("^[a-z][A-Za-z0-9_]*$", id)) && id != "compared"]]))
    error_message = "A metric's id begins with a small letter and has letters, digits and underscores; `compared` is taken."
  }

  validation {
    condition     = alltrue([for alarm in var.alarms : contains(["breaching", "notBreaching", "ignore", "missing"], alarm.missing)])
    error_message = "Missing data is breaching, notBreaching, ignore or missing."
  }

  validation {
    condition     = alltrue([for alarm in var.alarms : alarm.datapoints == null || try(alarm.datapoints <= alarm.periods, false)])
    error_message = "Not more datapoints can be wrong than are looked at."
  }
}
