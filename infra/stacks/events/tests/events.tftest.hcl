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
    condition     = aws_lambda_event_source_mapping.ingest_queue[0].event_source_arn == "arn:aws:sqs:eu-central-1:555555555555:minilab-dev-ingest.fifo"
    error_message = "Another queue feeds it."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.ingest_queue[0].function_response_types == toset(["ReportBatchItemFailures"])
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

run "as_a_function_nothing_of_the_service_is_there_but_where_its_image_goes" {
  command = apply

  assert {
    condition     = length(module.task) == 0 && length(module.workers) == 0 && length(aws_ecs_cluster.this) == 0
    error_message = "Something runs on ECS as well."
  }

  assert {
    condition     = output.repository_url != null && output.watched.service_name == null
    error_message = "No image can be pushed before the form changes, or alarms watch what is not there."
  }
}

run "as_a_service_it_takes_from_the_queue_itself" {
  command = apply

  variables {
    runs_on = "ecs"
    service = { image_digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111", most_tasks = 4 }
  }

  assert {
    condition     = length(module.function) == 0 && length(aws_lambda_event_source_mapping.ingest_queue) == 0
    error_message = "The function is still fed."
  }

  assert {
    condition     = output.watched == { function_name = null, cluster_name = "minilab-dev", service_name = "minilab-dev-processor", log_group_name = "/minilab/minilab-dev-processor" }
    error_message = "Alarms watch something else."
  }

  # The alarm on it, and the owners' policies, know these names.
  assert {
    condition     = aws_iam_role.processor.name == "minilab-dev-processor" && module.task[0].role_arns[0] == aws_iam_role.processor.arn
    error_message = "It has another role than the one that the queues' owners let in."
  }

  assert {
    condition     = jsondecode(aws_iam_role.processor.assume_role_policy).Statement[0].Principal.Service == "ecs-tasks.amazonaws.com"
    error_message = "Tasks do not get the role."
  }
}

run "the_role_is_the_same_in_both_forms" {
  command = apply

  assert {
    condition     = aws_iam_role.processor.name == "minilab-dev-processor" && module.function[0].role_name == aws_iam_role.processor.name
    error_message = "The role would be made anew when the form changes."
  }

  assert {
    condition     = jsondecode(aws_iam_role.processor.assume_role_policy).Statement[0].Principal.Service == "lambda.amazonaws.com"
    error_message = "The function does not get the role."
  }
}

run "another_place_to_run_is_refused" {
  command = plan

  variables {
    runs_on = "fargate"
  }

  expect_failures = [var.runs_on]
}

run "a_service_without_an_image_is_refused" {
  command = plan

  variables {
    runs_on = "ecs"
  }

  expect_failures = [var.runs_on]
}

run "a_tag_for_a_digest_is_refused" {
  command = plan

  variables {
    service = { image_digest = "latest" }
  }

  expect_failures = [var.service]
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
