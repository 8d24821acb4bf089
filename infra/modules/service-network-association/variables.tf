variable "name" {
  description = "Name of the VPC that joins."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{3,40}$", var.name))
    error_message = "A VPC's name is minilab-<environment>-<team>."
  }
}

variable "service_network_id" {
  description = "Id of the service network."
  type        = string
}

variable "vpc_id" {
  description = "Id of the VPC that joins."
  type        = string
}

variable "workload_security_group_id" {
  description = "Security group of what may call: it gets a way out to VPC Lattice."
  type        = string
}
