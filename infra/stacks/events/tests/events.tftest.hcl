mock_provider "aws" {
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "shared_services"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "team_b"
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

run "from_team_as_queue_one_by_one" {
  command = apply

  assert {
    condition     = aws_lambda_event_source_mapping.ingest_queue.event_source_arn == "arn:aws:sqs:eu-central-1:555555555555:minilab-dev-ingest.fifo"
    error_message = "Another queue feeds it."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.ingest_queue.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "One message that fails would bring all of its batch again."
  }

  assert {
    condition = output.environment == {
      MINILAB_ENV               = "dev"
      MINILAB_LAKE_BUCKET       = "minilab-dev-lake-333333333333"
      MINILAB_INGESTION_ACCOUNT = "555555555555"
      MINILAB_SHARED_ACCOUNT    = "333333333333"
    }
    error_message = "The processor would look elsewhere."
  }
}

run "one_invocation_at_once_is_refused" {
  command = plan

  variables {
    maximum_concurrency = 1
  }

  expect_failures = [var.maximum_concurrency]
}

run "a_way_to_kafka_for_what_the_team_runs" {
  command = apply

  variables {
    kafka = true
  }

  assert {
    condition     = output.environment.MINILAB_KAFKA_SECURITY == "MSK_IAM" && aws_msk_vpc_connection.this[0].authentication == "SASL_IAM"
    error_message = "The processor would not find Kafka, or sign in otherwise."
  }
}
