variable "name" {
  description = "Name of the VPC and prefix of all in it: minilab-<environment>-<team>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{3,40}$", var.name))
    error_message = "A VPC's name is minilab-<environment>-<team>."
  }
}

variable "organization_id" {
  description = "Organization within which the endpoints may be used, by whom and for what."
  type        = string

  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "An organization's id looks like o-a1b2c3d4e5."
  }
}

variable "cidr" {
  description = "The VPC's private range, /16 to /24."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], false)
    error_message = "Give an IPv4 range that begins at its network address, such as 10.20.0.0/20."
  }

  validation {
    condition     = try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 24, false)
    error_message = "A VPC's range is between /16 and /24: AWS takes no larger one, and smaller ones have no room for three zones."
  }

  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.cidr))
    error_message = "Use a private range (RFC 1918)."
  }
}

variable "availability_zones" {
  description = "The three zones of the private subnets. Their order decides the subnets' ranges."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) == 3 && length(var.availability_zones) == 3
    error_message = "Name three different zones."
  }
}

variable "interface_endpoints" {
  description = "AWS services to reach over interface endpoints, as AWS abbreviates them (`sqs`, `ecr.api`). S3 and DynamoDB are always there, as gateways. Each costs by the hour and zone."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setintersection(var.interface_endpoints, ["s3", "dynamodb"])) == 0
    error_message = "S3 and DynamoDB have gateway endpoints, at no cost."
  }

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", service)) && !startswith(service, "com.")])
    error_message = "Give the service's short name, such as sqs or ecr.api."
  }
}

variable "flow_log_retention_days" {
  description = "Days for which the flow log is kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([90, 180, 365, 400, 731], var.flow_log_retention_days)
    error_message = "Keep flow logs for 90, 180, 365, 400 or 731 days."
  }
}
