variable "name" {
  description = "Name of the table."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.name))
    error_message = "A table's name has lower-case letters, digits and underscores."
  }
}

variable "database_name" {
  description = "Glue database that the table is in."
  type        = string
}

variable "bucket" {
  description = "Bucket of the lake."
  type        = string
}

variable "table" {
  description = "The table, as infra/generated/raw_tables.json has it: comment, prefix in the bucket, columns and partition keys."
  type = object({
    comment        = string
    prefix         = string
    columns        = list(object({ name = string, type = string, comment = string }))
    partition_keys = list(object({ name = string, type = string, comment = string }))
  })

  validation {
    condition     = endswith(var.table.prefix, "/")
    error_message = "A prefix ends with a slash."
  }

  validation {
    condition     = length(distinct([for column in concat(var.table.columns, var.table.partition_keys) : column.name])) == length(var.table.columns) + length(var.table.partition_keys)
    error_message = "A column's name is given twice."
  }
}
