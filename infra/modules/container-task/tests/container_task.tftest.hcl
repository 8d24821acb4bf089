mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "minilab-dev-orders"
  description         = "Takes orders."
  container           = "orders"
  image               = "111111111111.dkr.ecr.eu-central-1.amazonaws.com/minilab-dev-orders@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  repository_arn      = "arn:aws:ecr:eu-central-1:111111111111:repository/minilab-dev-orders"
  command             = ["orders", "serve"]
  health_check        = ["orders", "well"]
  port                = 3000
  user                = "10001:10001"
  writable            = { tmp = "/tmp" }
  environment         = { MINILAB_ENV = "dev" }
  secrets             = { PASSWORD = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:db-a1b2c3:password::" }
  secrets_kms_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  log_kms_key_arn     = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  statements          = "[{\"Sid\": \"Send\", \"Effect\": \"Allow\", \"Action\": \"sqs:SendMessage\", \"Resource\": \"arn:aws:sqs:eu-central-1:111111111111:q\"}]"
}

run "not_root_read_only_watched_and_logged" {
  command = apply

  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : container.readonlyRootFilesystem && !container.privileged && container.user == "10001:10001" && container.linuxParameters.capabilities.drop == ["ALL"]])
    error_message = "The container may do more than it needs."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints == [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    error_message = "Other folders are writable, or none."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command == ["CMD", "orders", "well"]
    error_message = "ECS asks otherwise whether it is well."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].logConfiguration.options["awslogs-group"] == "/minilab/minilab-dev-orders" && aws_cloudwatch_log_group.this.kms_key_id == var.log_kms_key_arn
    error_message = "Logs go elsewhere, or are not encrypted with our key."
  }
}

run "the_code_and_what_starts_it_have_roles_of_their_own" {
  command = apply

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Sid] == ["Send"]
    error_message = "The code may do more, or less."
  }

  assert {
    condition     = { for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Sid => statement.Resource }["Secrets"] == ["arn:aws:secretsmanager:eu-central-1:111111111111:secret:db-a1b2c3"]
    error_message = "ECS reads another secret."
  }

  assert {
    condition     = jsondecode(aws_iam_role.task[0].assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111111111111"
    error_message = "Tasks of other accounts take the role."
  }
}

run "with_a_role_made_elsewhere_the_code_has_no_other" {
  command = apply

  variables {
    role = { name = "minilab-dev-shared", arn = "arn:aws:iam::111111111111:role/minilab-dev-shared" }
  }

  assert {
    condition     = length(aws_iam_role.task) == 0 && aws_iam_role_policy.task.role == "minilab-dev-shared" && aws_ecs_task_definition.this.task_role_arn == "arn:aws:iam::111111111111:role/minilab-dev-shared"
    error_message = "The code runs with another role, or that one may not do what is declared."
  }
}

run "without_secrets_none_are_read" {
  command = plan

  variables {
    secrets             = {}
    secrets_kms_key_arn = null
    health_check        = null
    port                = null
  }

  assert {
    condition     = length(local.secret_arns) == 0 && length(local.health) == 0 && length(local.container.portMappings) == 0
    error_message = "Something is there that was not asked for."
  }
}

run "a_tag_for_a_digest_is_refused" {
  command = plan

  variables {
    image = "minilab-dev-orders:latest"
  }

  expect_failures = [var.image]
}

run "root_is_refused" {
  command = plan

  variables {
    user = "0:0"
  }

  expect_failures = [var.user]
}

run "a_writable_root_is_refused" {
  command = plan

  variables {
    writable = { root = "/" }
  }

  expect_failures = [var.writable]
}

run "a_whole_service_is_refused" {
  command = plan

  variables {
    statements = "[{\"Sid\": \"All\", \"Effect\": \"Allow\", \"Action\": \"sqs:*\", \"Resource\": \"*\"}]"
  }

  expect_failures = [var.statements]
}

run "a_secret_without_its_key_is_refused" {
  command = plan

  variables {
    secrets = { PASSWORD = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:db-a1b2c3" }
  }

  expect_failures = [var.secrets]
}

run "secrets_without_a_kms_key_are_refused" {
  command = plan

  variables {
    secrets_kms_key_arn = null
  }

  expect_failures = [var.secrets_kms_key_arn]
}

run "a_size_that_fargate_has_not_is_refused" {
  command = plan

  variables {
    cpu = 300
  }

  expect_failures = [var.cpu]
}

run "memory_that_does_not_go_with_it_is_refused" {
  command = plan

  variables {
    cpu       = 1024
    memory_mb = 1024
  }

  expect_failures = [var.memory_mb]
}

run "an_unknown_architecture_is_refused" {
  command = plan

  variables {
    architecture = "arm64"
  }

  expect_failures = [var.architecture]
}

run "a_stop_beyond_fargates_is_refused" {
  command = plan

  variables {
    stop_seconds = 121
  }

  expect_failures = [var.stop_seconds]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "orders"
  }

  expect_failures = [var.name]
}
