variable "name" {
  description = "Name of the workgroup: minilab-<environment>, and who works in it."
  type        = string

  validation {
    condition     = can(regex("^minilab-[a-z0-9-]{1,80}$", var.name))
    error_message = "A workgroup's name is minilab-<environment>-<who>, in lower-case letters, digits and hyphens."
  }
}

variable "description" {
  description = "Who asks what here."
  type        = string
}

variable "output_location" {
  description = "Where results go, whatever a client says: s3://<bucket>/<prefix>/."
  type        = string

  validation {
    condition     = can(regex("^s3://[a-z0-9-]+/.*/$", var.output_location))
    error_message = "Give a place below a bucket, ending with a slash."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts results."
  type        = string
}

variable "gigabytes_per_query" {
  description = "Gigabytes after which a query that scans more is ended."
  type        = number

  validation {
    condition     = var.gigabytes_per_query >= 1 && var.gigabytes_per_query <= 10000
    error_message = "Let a query scan 1 to 10,000 GB."
  }
}
