variable "accounts" {
  description = "Member accounts by name: the organizational unit, the root user's email address, and the team that owns it. A new team is one more entry."
  type = map(object({
    unit  = string
    email = string
    owner = string
  }))

  validation {
    condition     = alltrue([for name in keys(var.accounts) : can(regex("^[a-z][a-z0-9-]{1,29}$", name))])
    error_message = "An account's name has 2 to 30 lower-case letters, digits and hyphens, and begins with a letter."
  }

  validation {
    condition     = !contains(keys(var.accounts), "management")
    error_message = "The management account is the one that makes the organization; do not list it."
  }

  validation {
    condition     = alltrue([for account in var.accounts : can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[a-z]+$", account.email))])
    error_message = "Every account needs a valid email address for its root user."
  }

  validation {
    condition     = length(distinct([for account in var.accounts : lower(account.email)])) == length(var.accounts)
    error_message = "AWS takes an email address once only: give each account its own, such as aws+team-a@example.com."
  }

  validation {
    condition     = alltrue([for account in var.accounts : contains(["Security", "Infrastructure", "Workloads"], account.unit)])
    error_message = "The organizational units are Security, Infrastructure and Workloads."
  }
}

variable "close_accounts_on_deletion" {
  description = "Whether an account that leaves the map is closed. When false it must be moved out by hand."
  type        = bool
  default     = false
}
