mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name            = "minilab-dev"
  organization_id = "o-a1b2c3d4e5"
  shared_with     = { Workloads = "arn:aws:organizations::111111111111:ou/o-a1b2c3d4e5/ou-abcd-11111111" }
}

run "only_signed_requests_of_the_organization_enter" {
  command = plan

  assert {
    condition     = aws_vpclattice_service_network.this.auth_type == "AWS_IAM"
    error_message = "Anyone may enter."
  }

  assert {
    condition     = jsondecode(aws_vpclattice_auth_policy.this.policy).Statement[0].Condition == { StringEquals = { "aws:PrincipalOrgID" = "o-a1b2c3d4e5" }, StringNotEquals = { "aws:PrincipalType" = "Anonymous" } }
    error_message = "The wall has a hole."
  }
}

run "it_is_shared_within_the_organization_only" {
  command = apply

  assert {
    condition     = !aws_ram_resource_share.this.allow_external_principals
    error_message = "It could be shared with strangers."
  }

  assert {
    condition     = aws_ram_resource_association.this.resource_arn == aws_vpclattice_service_network.this.arn
    error_message = "Something else is shared."
  }

  assert {
    condition     = [for association in aws_ram_principal_association.this : association.principal] == [var.shared_with["Workloads"]]
    error_message = "It is shared with someone else."
  }

  assert {
    condition     = aws_vpclattice_access_log_subscription.this.destination_arn == "${aws_cloudwatch_log_group.access.arn}:*"
    error_message = "Calls are not logged."
  }
}

run "sharing_with_an_account_is_refused" {
  command = plan

  variables {
    shared_with = { other = "444444444444" }
  }

  expect_failures = [var.shared_with]
}

run "an_organization_that_is_none_is_refused" {
  command = plan

  variables {
    organization_id = "*"
  }

  expect_failures = [var.organization_id]
}

run "a_name_with_two_hyphens_is_refused" {
  command = plan

  variables {
    name = "minilab--dev"
  }

  expect_failures = [var.name]
}
