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

run "operators_are_of_this_account_unless_others_are_named" {
  command = apply

  assert {
    condition     = jsondecode(aws_iam_role.operator.assume_role_policy).Statement[0].Principal.AWS == ["arn:aws:iam::555555555555:root"]
    error_message = "Others than team A's own take the operator's role."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role.operator.assume_role_policy).Statement : statement.Condition == { StringEquals = { "aws:PrincipalOrgID" = "o-a1b2c3d4e5" } }])
    error_message = "Somebody of another organization takes the operator's role."
  }

  assert {
    condition     = !can(regex("ReceiveMessage|raw/|idempotency", aws_iam_role_policy.operator.policy)) && can(regex("replay:[*]", aws_iam_role_policy.operator.policy))
    error_message = "Operators do more than look after tenants and failed events."
  }
}

run "operators_that_are_named" {
  command = apply

  variables {
    operators = ["arn:aws:iam::555555555555:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_OnCall_0123456789abcdef"]
  }

  assert {
    condition     = tolist(jsondecode(aws_iam_role.operator.assume_role_policy).Statement[0].Principal.AWS) == var.operators
    error_message = "Not those who are named take the operator's role."
  }
}

run "operators_that_are_anybody_are_refused" {
  command = plan

  variables {
    operators = ["arn:aws:iam::555555555555:role/*"]
  }

  expect_failures = [var.operators]
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
