variable "management_account_id" {
  description = "Account whose Terraform roles may become the ones here."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.management_account_id))
    error_message = "An account's id has 12 digits."
  }
}

variable "terraform_roles" {
  description = "Whether to make the Terraform roles. Not in the management account, where the bootstrap made them."
  type        = bool
  default     = true
}
