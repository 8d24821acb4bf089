mock_provider "aws" {
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "shared_services"
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

run "a_tag_for_a_digest_is_refused" {
  command = plan

  variables {
    image_digest = "latest"
  }

  expect_failures = [var.image_digest]
}

run "a_target_group_that_is_none_is_refused" {
  command = plan

  variables {
    lattice_target_group_arn = "tg-00000000000000000"
  }

  expect_failures = [var.lattice_target_group_arn]
}

run "without_an_image_nothing_is_started" {
  command = apply

  assert {
    condition     = local.running == 0
    error_message = "Services would start that have no image."
  }

  assert {
    condition     = output.environment.MINILAB_DAGSTER_CODE_SERVER == "code-server.minilab-dev.internal" && output.environment.MINILAB_DAGSTER_RUN_TASK == "minilab-dev-dagster-run"
    error_message = "Dagster would look elsewhere for its code, or start another task."
  }

  assert {
    condition     = !contains(keys(output.environment), "MINILAB_KAFKA_BOOTSTRAP_SERVERS")
    error_message = "Programs are told of brokers that are not there."
  }

  # As the ingestion stack's policies name them.
  assert {
    condition     = module.run.family == "minilab-dev-dagster-run" && module.task["code"].family == "minilab-dev-dagster-code"
    error_message = "The roles have other names than those whom ingestion lets in."
  }
}

run "webserver_and_daemon_touch_no_data" {
  command = plan

  assert {
    condition     = !can(regex("sqs:|dynamodb:|glue:|athena:|kafka-cluster:|-lake-", jsonencode([local.statements.webserver, local.statements.daemon])))
    error_message = "Webserver or daemon reach the lake, the catalog or a bus."
  }

  assert {
    condition     = !can(regex("DeleteMessage|ReceiveMessage|UpdateItem|s3:GetObject|s3:DeleteObject|glue:|athena:", jsonencode(local.statements.code)))
    error_message = "A sensor takes messages or reads the lake."
  }

  assert {
    condition     = [for statement in local.statements.daemon : statement.Condition.StringEquals["iam:PassedToService"] if statement.Sid == "HandRunsTheirRoles"] == ["ecs-tasks.amazonaws.com"]
    error_message = "The daemon hands the runs' roles to others than tasks."
  }

  assert {
    condition     = [for statement in concat(local.statements.code, local.statements.run) : statement.Condition.StringEquals["cloudwatch:namespace"] if statement.Sid == "TellMetrics"] == ["Minilab", "Minilab"]
    error_message = "Sensors or runs tell no metrics, or others than the platform's."
  }

  assert {
    condition     = length([for statement in concat(local.statements.webserver, local.statements.code, local.statements.run) : statement if contains(flatten([statement.Action]), "iam:PassRole") || contains(flatten([statement.Action]), "ecs:RunTask")]) == 0
    error_message = "Others than the daemon start runs."
  }
}

run "with_an_image_kafka_and_a_place_in_the_service_network" {
  command = plan

  variables {
    image_digest             = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
    lattice_target_group_arn = "arn:aws:vpc-lattice:eu-central-1:333333333333:targetgroup/tg-00000000000000000"
    kafka                    = true
  }

  assert {
    condition     = local.running == 1
    error_message = "Nothing is started."
  }

  assert {
    condition     = local.msk_topics == ["arn:aws:kafka:eu-central-1:333333333333:topic/mocked/00000000-0000-0000-0000-000000000000-1/minilab-dev-product"]
    error_message = "Other topics are read than those of contracts/streams.yaml."
  }

  assert {
    condition     = local.environment_variables.MINILAB_KAFKA_SECURITY == "MSK_IAM" && contains(keys(local.environment_variables), "MINILAB_KAFKA_BOOTSTRAP_SERVERS")
    error_message = "Programs are not told of the brokers."
  }

  assert {
    condition     = !can(regex("KafkaGroup", jsonencode(local.statements.code)))
    error_message = "A sensor moves the group's offset."
  }
}
