variable "name" {
  description = "Name of the service network."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,54}[a-z0-9]$", var.name)) && !can(regex("--", var.name))
    error_message = "A service network's name is minilab-<environment>, in lower-case letters, digits and single hyphens, up to 63."
  }
}

variable "organization_id" {
  description = "Organization whose principals may call at all."
  type        = string

  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "An organization's id looks like o-a1b2c3d4e5."
  }
}

variable "shared_with" {
  description = "ARNs of the organizational units whose accounts may join, by any key."
  type        = map(string)

  validation {
    condition     = alltrue([for arn in var.shared_with : can(regex("^arn:aws[a-z-]*:organizations::[0-9]{12}:ou/", arn))])
    error_message = "Share with organizational units of the organization only, by ARN."
  }
}
