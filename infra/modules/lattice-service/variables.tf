variable "name" {
  description = "Name of the service: minilab-<environment>-<service>."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{0,31}[a-z0-9]$", var.name)) && !can(regex("--", var.name))
    error_message = "A service's name is minilab-<environment>-<service>, up to 40 lower-case letters, digits and single hyphens."
  }
}

variable "service_network_id" {
  description = "Id of the service network that the service joins."
  type        = string
}

variable "target" {
  description = "What answers: LAMBDA, or IP or ALB with the VPC, port and protocol; IP also with the path that says whether it is well. The stack that runs it attaches it to the target group."
  type = object({
    type        = string
    vpc_id      = optional(string)
    port        = optional(number, 443)
    protocol    = optional(string, "HTTPS")
    health_path = optional(string, "/")
  })

  validation {
    condition     = contains(["LAMBDA", "IP", "ALB"], var.target.type)
    error_message = "A target is a LAMBDA, an IP or an ALB."
  }

  validation {
    condition     = contains(["HTTP", "HTTPS"], var.target.protocol)
    error_message = "A target speaks HTTP or HTTPS. Callers always speak HTTPS to Lattice."
  }

  validation {
    condition     = (var.target.type == "LAMBDA") == (var.target.vpc_id == null)
    error_message = "IP and ALB targets lie in a VPC; a LAMBDA target names none."
  }
}

variable "rules" {
  description = "What is answered: by name, the method, the beginning of the path, and the priority (1 to 100, lower first). All else is 404."
  type = map(object({
    priority    = number
    method      = string
    path_prefix = string
  }))

  validation {
    condition     = length(var.rules) > 0
    error_message = "A service without a rule answers nothing but 404."
  }

  validation {
    condition     = alltrue([for name in keys(var.rules) : can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", name)) && !can(regex("--", name))])
    error_message = "A rule's name has 3 to 63 lower-case letters, digits and single hyphens."
  }

  validation {
    condition     = length(distinct([for rule in var.rules : rule.priority])) == length(var.rules)
    error_message = "Each rule needs a priority of its own."
  }

  validation {
    condition     = alltrue([for rule in var.rules : rule.priority >= 1 && rule.priority <= 100])
    error_message = "Priorities go from 1 to 100."
  }

  validation {
    condition     = alltrue([for rule in var.rules : startswith(rule.path_prefix, "/")])
    error_message = "A path begins with a slash."
  }

  validation {
    condition     = alltrue([for rule in var.rules : contains(["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"], rule.method)])
    error_message = "Name one HTTP method, in capitals."
  }
}

variable "callers" {
  description = "Who may call: by the caller's name, its account, its roles (names, * at an end allowed), and which methods and beginnings of paths."
  type = map(object({
    account_id = string
    roles      = list(string)
    methods    = list(string)
    paths      = list(string)
  }))

  validation {
    condition     = length(var.callers) > 0
    error_message = "A service that nobody may call has no place in the network."
  }

  validation {
    condition     = alltrue([for caller in var.callers : can(regex("^[0-9]{12}$", caller.account_id))])
    error_message = "An account's id has 12 digits."
  }

  validation {
    condition     = alltrue(flatten([for caller in var.callers : [for role in caller.roles : can(regex("^minilab-[A-Za-z0-9_-]+[*]?$", role))]]))
    error_message = "Name the calling roles; all of ours begin with minilab-."
  }

  validation {
    condition     = alltrue([for caller in var.callers : length(caller.roles) > 0 && length(caller.methods) > 0 && length(caller.paths) > 0])
    error_message = "Each caller needs at least one role, method and path."
  }

  validation {
    condition     = alltrue(flatten([for caller in var.callers : [for path in caller.paths : startswith(path, "/") && !can(regex("[*?]", path))]]))
    error_message = "A path begins with a slash and has no wildcard: it is taken as a beginning."
  }
}
