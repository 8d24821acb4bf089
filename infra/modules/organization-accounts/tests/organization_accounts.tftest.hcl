mock_provider "aws" {
  source = "../../mocks"
}

variables {
  required = ["team-a"]
}

run "names_lead_to_ids_of_open_accounts" {
  command = plan

  assert {
    condition     = output.ids["management"] == "111111111111" && output.ids["team-a"] == "555555555555"
    error_message = "A name leads to another account."
  }

  assert {
    condition     = !contains(keys(output.ids), "team-gone")
    error_message = "A closed account is listed."
  }

  assert {
    condition     = output.unit_arns["Workloads"] == "arn:aws:organizations::111111111111:ou/o-a1b2c3d4e5/ou-abcd-22222222"
    error_message = "A unit is not found by its name."
  }

  assert {
    condition     = output.organization_id == "o-a1b2c3d4e5"
    error_message = "The organization is another one."
  }
}

run "an_account_that_is_not_there_is_told" {
  command = plan

  variables {
    required = ["team-a", "team-gone"]
  }

  expect_failures = [output.ids]
}
