variable "target_id" {
  description = "What the policies bind: the organization's root, a unit, or an account."
  type        = string

  validation {
    condition     = can(regex("^(r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}|[0-9]{12})$", var.target_id))
    error_message = "Give the id of a root (r-…), of a unit (ou-…) or of an account."
  }
}

variable "allowed_regions" {
  description = "Regions in which anything may be done."
  type        = list(string)

  validation {
    condition     = length(var.allowed_regions) > 0
    error_message = "An empty list would forbid every region."
  }

  validation {
    condition     = alltrue([for region in var.allowed_regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "Give regions' codes, such as eu-central-1."
  }
}

variable "exempt_roles" {
  description = "Names of the roles that may still set what the policies keep in place: Terraform's own."
  type        = list(string)
  default     = ["OrganizationAccountAccessRole", "minilab-terraform-apply"]

  validation {
    condition     = alltrue([for name in var.exempt_roles : can(regex("^[A-Za-z0-9+=,.@_-]+$", name))])
    error_message = "Name each role in full: a wildcard would let a team make a role that is exempt."
  }
}
