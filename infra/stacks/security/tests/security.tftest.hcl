mock_provider "aws" {
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "log_archive"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "shared_services"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "analytics"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "team_a"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "team_b"
  source = "../../mocks"
}

variables {
  environment  = "dev"
  region       = "eu-central-1"
  audit_emails = ["security@example.com"]
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
