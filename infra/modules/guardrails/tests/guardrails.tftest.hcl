mock_provider "aws" {
  source = "../../mocks"
}

variables {
  target_id       = "r-abcd"
  allowed_regions = ["eu-central-1", "us-east-1"]
}

run "four_policies_bind_the_target" {
  command = plan

  assert {
    condition     = keys(aws_organizations_policy.this) == ["accountability", "isolated-networks", "no-public-data", "regions"]
    error_message = "The policies are others."
  }

  assert {
    condition     = alltrue([for attachment in aws_organizations_policy_attachment.this : attachment.target_id == "r-abcd"])
    error_message = "A policy binds something else."
  }

  assert {
    condition     = alltrue([for policy in output.policies : length(policy) <= 5120])
    error_message = "A policy is too long for AWS."
  }

  assert {
    condition     = alltrue(flatten([for policy in output.policies : [for statement in jsondecode(policy).Statement : statement.Effect == "Deny"]]))
    error_message = "A guardrail allows something."
  }
}

run "regions_have_their_list_and_global_services_go_on" {
  command = plan

  assert {
    condition     = jsondecode(output.policies["regions"]).Statement[0].Condition.StringNotEquals["aws:RequestedRegion"] == ["eu-central-1", "us-east-1"]
    error_message = "The list is another one."
  }

  assert {
    condition     = alltrue([for action in ["iam:*", "organizations:*", "sts:*", "route53:*"] : contains(jsondecode(output.policies["regions"]).Statement[0].NotAction, action)])
    error_message = "A global service is caught by the list."
  }
}

run "what_watches_cannot_be_switched_off_by_anyone" {
  command = plan

  assert {
    condition     = alltrue([for action in ["cloudtrail:StopLogging", "config:StopConfigurationRecorder", "guardduty:DeleteDetector", "s3:BypassGovernanceRetention"] : contains(one([for s in jsondecode(output.policies["accountability"]).Statement : s if s.Sid == "NoBlinding"]).Action, action)])
    error_message = "Something that watches can be switched off."
  }

  assert {
    condition     = !can(one([for s in jsondecode(output.policies["accountability"]).Statement : s if s.Sid == "NoBlinding"]).Condition)
    error_message = "Someone is exempt."
  }

  assert {
    condition     = contains(one([for s in jsondecode(output.policies["accountability"]).Statement : s if s.Sid == "NoLeaving"]).Action, "organizations:LeaveOrganization")
    error_message = "An account could leave."
  }
}

run "no_region_is_refused" {
  command = plan

  variables {
    allowed_regions = []
  }

  expect_failures = [var.allowed_regions]
}

run "a_region_that_is_none_is_refused" {
  command = plan

  variables {
    allowed_regions = ["europe"]
  }

  expect_failures = [var.allowed_regions]
}

run "a_target_that_is_none_is_refused" {
  command = plan

  variables {
    target_id = "Workloads"
  }

  expect_failures = [var.target_id]
}

run "a_wildcard_for_a_role_is_refused" {
  command = plan

  variables {
    exempt_roles = ["minilab-*"]
  }

  expect_failures = [var.exempt_roles]
}
