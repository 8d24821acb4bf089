# The organization, its units and accounts, and what no account may do.
# Runs in the management account.

module "organization" {
  source = "../../modules/organization"

  close_accounts_on_deletion = var.close_accounts_on_deletion

  accounts = {
    for name, account in var.accounts : name => {
      unit  = account.unit
      owner = coalesce(account.owner, name)
      email = format(var.email_pattern, name)
    }
  }
}

module "guardrails" {
  source = "../../modules/guardrails"

  target_id       = module.organization.root_id
  allowed_regions = [var.region]
}
