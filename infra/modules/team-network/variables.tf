variable "name" {
  description = "Name of the VPC and prefix of all in it: minilab-<environment>-<team>."
  type        = string
}

variable "organization_id" {
  description = "Organization within which the endpoints may be used."
  type        = string
}

variable "cidr" {
  description = "The VPC's private range, /16 to /24."
  type        = string
}

variable "availability_zones" {
  description = "The three zones of the private subnets."
  type        = list(string)
}

variable "interface_endpoints" {
  description = "AWS services to reach over interface endpoints."
  type        = set(string)
}

variable "service_network_id" {
  description = "Id of the service network."
  type        = string
}

variable "services" {
  description = "What the account offers to others, by the service's full name; see lattice-service."
  type = map(object({
    target = object({
      type        = string
      port        = optional(number, 443)
      protocol    = optional(string, "HTTPS")
      health_path = optional(string, "/")
    })
    rules = map(object({
      priority    = number
      method      = string
      path_prefix = string
    }))
    callers = map(object({
      account_id = string
      roles      = list(string)
      methods    = list(string)
      paths      = list(string)
    }))
  }))
  default = {}
}
