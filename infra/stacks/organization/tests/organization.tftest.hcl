mock_provider "aws" {
  source = "../../mocks"
}

variables {
  environment   = "dev"
  region        = "eu-central-1"
  email_pattern = "aws+%s@example.com"
  accounts      = { team-a = { unit = "Workloads" } }
}

run "an_account_is_its_line" {
  command = apply

  assert {
    condition     = output.account_ids["management"] == "111111111111" && contains(keys(output.account_ids), "team-a")
    error_message = "An account is missing."
  }
}

run "an_environment_with_capitals_is_refused" {
  command = plan

  variables {
    environment = "Dev"
  }

  expect_failures = [var.environment]
}

run "a_region_that_is_none_is_refused" {
  command = plan

  variables {
    region = "europe"
  }

  expect_failures = [var.region]
}

run "a_pattern_without_a_place_for_the_name_is_refused" {
  command = plan

  variables {
    email_pattern = "aws@example.com"
  }

  expect_failures = [var.email_pattern]
}
