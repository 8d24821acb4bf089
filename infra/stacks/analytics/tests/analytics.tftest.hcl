mock_provider "aws" {
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

variables {
  environment = "dev"
  region      = "eu-central-1"
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

run "the_tables_of_the_code_and_readers_of_another_account" {
  command = apply

  assert {
    condition     = [for database in aws_glue_catalog_database.this : database.name] == ["minilab_marts", "minilab_raw", "minilab_staging"]
    error_message = "The databases have other names than in minilab.settings."
  }

  assert {
    condition     = keys(module.raw_table) == ["events", "failed_events"]
    error_message = "The raw tables are not those of minilab.lake.tables."
  }

  assert {
    condition     = !can(regex("_raw", aws_glue_resource_policy.this.policy)) && alltrue([for statement in jsondecode(aws_glue_resource_policy.this.policy).Statement : statement.Condition == { ArnEquals = { "aws:PrincipalArn" = ["arn:aws:iam::444444444444:role/minilab-dev-analyst"] } }])
    error_message = "Others read the catalog, or analysts read raw events."
  }

  assert {
    condition     = alltrue([for action in flatten([for statement in jsondecode(aws_iam_role_policy.analyst.policy).Statement : statement.Action]) : can(regex("^glue:Get", action)) if startswith(action, "glue:")]) && aws_athena_data_catalog.lake.parameters == tomap({ "catalog-id" = "333333333333" })
    error_message = "Analysts change the catalog, or see another."
  }
}

run "a_prefix_that_is_none_is_refused" {
  command = plan

  variables {
    database_prefix = "Mini-Lab"
  }

  expect_failures = [var.database_prefix]
}
