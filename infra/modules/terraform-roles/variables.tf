variable "plan_trust_policy" {
  description = "Who may assume the plan role, as a JSON policy."
  type        = string

  validation {
    condition     = can(jsondecode(var.plan_trust_policy).Statement)
    error_message = "Give a JSON trust policy, as jsonencode({...}) makes it."
  }
}

variable "apply_trust_policy" {
  description = "Who may assume the apply role, as a JSON policy."
  type        = string

  validation {
    condition     = can(jsondecode(var.apply_trust_policy).Statement)
    error_message = "Give a JSON trust policy, as jsonencode({...}) makes it."
  }

  validation {
    condition     = try(alltrue([for statement in jsondecode(var.apply_trust_policy).Statement : length(statement.Condition) > 0]), false)
    error_message = "The apply role changes anything, so each way to assume it needs a condition (a GitHub environment, or the one role of the management account)."
  }
}

variable "readable_object_arns" {
  description = "The only S3 objects that the plan role may read: Terraform's own state."
  type        = list(string)

  validation {
    condition     = length(var.readable_object_arns) > 0 && alltrue([for arn in var.readable_object_arns : can(regex("^arn:aws[a-z-]*:s3:::minilab-[a-z0-9-]+/", arn))])
    error_message = "Name objects of our buckets, such as arn:aws:s3:::minilab-dev-terraform-111111111111/*."
  }
}
