mock_provider "aws" {
  source = "../../mocks"
}

variables {
  environment       = "dev"
  region            = "eu-central-1"
  github_repository = "example/minilab"
}

run "only_this_repository_becomes_someone" {
  command = apply

  assert {
    condition     = jsondecode(local.github_trust["apply"]).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:example/minilab:environment:dev"]
    error_message = "Something else than the protected environment may apply."
  }

  assert {
    condition     = alltrue([for subject in jsondecode(local.github_trust["plan"]).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] : startswith(subject, "repo:example/minilab:") && !can(regex("[*]", subject))])
    error_message = "Another repository may plan."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.state["plan"].policy).Statement[2].Resource == "${module.state.arn}/*.tflock"
    error_message = "The plan role may write state."
  }

  assert {
    condition     = output.state_bucket == "minilab-dev-terraform-111111111111"
    error_message = "The bucket is not the one of backend.hcl."
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

run "any_repository_of_an_owner_is_refused" {
  command = plan

  variables {
    github_repository = "example/*"
  }

  expect_failures = [var.github_repository]
}
