mock_provider "aws" {
  source = "../../mocks"
}

run "names_lead_to_ids_of_open_accounts" {
  command = plan

  assert {
    condition     = output.ids == { management = "111111111111", team-a = "222222222222" }
    error_message = "A closed account is listed, or an open one is not."
  }

  assert {
    condition     = output.unit_arns["Workloads"] == "arn:aws:organizations::111111111111:ou/o-a1b2c3d4e5/ou-abcd-11111111"
    error_message = "A unit is not found by its name."
  }

  assert {
    condition     = output.organization_id == "o-a1b2c3d4e5"
    error_message = "The organization is another one."
  }
}
