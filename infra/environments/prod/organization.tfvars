# One address per account reaches the same mailbox: most providers ignore what follows the plus.
email_pattern = "aws-prod+%s@example.com"

# A new team is one more line.
accounts = {
  log-archive     = { unit = "Security", owner = "platform" }
  shared-services = { unit = "Infrastructure", owner = "platform" }
  analytics       = { unit = "Workloads" }
  team-a          = { unit = "Workloads" }
  team-b          = { unit = "Workloads" }
}
