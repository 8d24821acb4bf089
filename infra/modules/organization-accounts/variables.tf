variable "required" {
  description = "Names of the accounts that the stack is going to use; it is told at once when one is missing."
  type        = set(string)
}
