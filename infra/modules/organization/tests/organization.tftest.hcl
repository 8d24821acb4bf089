mock_provider "aws" {
  source = "../../mocks"
}

variables {
  accounts = {
    log-archive = { unit = "Security", email = "aws+log-archive@example.com", owner = "platform" }
    team-a      = { unit = "Workloads", email = "aws+team-a@example.com", owner = "team-a" }
  }
}

run "accounts_are_in_their_units_under_the_root" {
  command = apply

  assert {
    condition     = keys(aws_organizations_organizational_unit.this) == ["Security", "Workloads"]
    error_message = "A unit without an account, or an account without a unit."
  }

  assert {
    condition     = aws_organizations_account.this["team-a"].parent_id == aws_organizations_organizational_unit.this["Workloads"].id
    error_message = "team-a is in another unit."
  }

  assert {
    condition     = aws_organizations_account.this["team-a"].tags.Owner == "team-a"
    error_message = "team-a does not say whose it is."
  }

  assert {
    condition     = contains(aws_organizations_organization.this.enabled_policy_types, "SERVICE_CONTROL_POLICY")
    error_message = "Guardrails would bind nobody."
  }

  assert {
    condition     = output.account_ids["management"] == "111111111111"
    error_message = "The management account is not named."
  }
}

run "a_new_team_is_one_entry" {
  command = plan

  variables {
    accounts = {
      log-archive = { unit = "Security", email = "aws+log-archive@example.com", owner = "platform" }
      team-a      = { unit = "Workloads", email = "aws+team-a@example.com", owner = "team-a" }
      team-c      = { unit = "Workloads", email = "aws+team-c@example.com", owner = "team-c" }
    }
  }

  assert {
    condition     = length(aws_organizations_account.this) == 3
    error_message = "The new team has no account."
  }
}

run "an_unknown_unit_is_refused" {
  command = plan

  variables {
    accounts = { team-a = { unit = "Sales", email = "a@example.com", owner = "a" } }
  }

  expect_failures = [var.accounts]
}

run "one_address_for_two_accounts_is_refused" {
  command = plan

  variables {
    accounts = {
      team-a = { unit = "Workloads", email = "aws@example.com", owner = "a" }
      team-b = { unit = "Workloads", email = "AWS@example.com", owner = "b" }
    }
  }

  expect_failures = [var.accounts]
}

run "the_management_account_is_refused" {
  command = plan

  variables {
    accounts = { management = { unit = "Security", email = "a@example.com", owner = "a" } }
  }

  expect_failures = [var.accounts]
}

run "an_address_that_is_none_is_refused" {
  command = plan

  variables {
    accounts = { team-a = { unit = "Workloads", email = "team-a", owner = "a" } }
  }

  expect_failures = [var.accounts]
}

run "a_name_with_capitals_is_refused" {
  command = plan

  variables {
    accounts = { TeamA = { unit = "Workloads", email = "a@example.com", owner = "a" } }
  }

  expect_failures = [var.accounts]
}
