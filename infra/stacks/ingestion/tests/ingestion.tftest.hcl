mock_provider "aws" {
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "team_a"
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

run "what_the_tables_say_and_who_is_told_what" {
  command = apply

  assert {
    condition     = keys(module.table) == ["idempotency", "stream-counters", "tenants"]
    error_message = "The tables are not those whose home is ingestion."
  }

  assert {
    condition     = [output.watched.ingest_queue_name, output.watched.dead_letter_queue_name, output.watched.failed_queue_name] == ["minilab-dev-ingest.fifo", "minilab-dev-ingest-dlq.fifo", "minilab-dev-failed"]
    error_message = "The queues have other names than in minilab.settings."
  }

  assert {
    condition     = output.environment.MINILAB_SHARED_ACCOUNT == "333333333333" && output.environment.MINILAB_LAKE_BUCKET == "minilab-dev-lake-333333333333"
    error_message = "Programs would look elsewhere."
  }

  assert {
    condition     = length(aws_vpclattice_target_group_attachment.this) == 0
    error_message = "It answers in the service network without being told to."
  }
}

run "in_the_service_network_where_it_is_told_to" {
  command = plan

  variables {
    lattice_target_group_arn = "arn:aws:vpc-lattice:eu-central-1:555555555555:targetgroup/tg-00000000000000000"
  }

  assert {
    condition     = aws_lambda_permission.lattice[0].source_arn == var.lattice_target_group_arn
    error_message = "Another target group may call the function, or none."
  }
}

run "a_target_group_that_is_none_is_refused" {
  command = plan

  variables {
    lattice_target_group_arn = "tg-00000000000000000"
  }

  expect_failures = [var.lattice_target_group_arn]
}
