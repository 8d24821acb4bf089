mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name             = "minilab-dev-ingest.fifo"
  dead_letter_name = "minilab-dev-ingest-dlq.fifo"
  kms_key_arn      = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  grants = {
    Processor = { account_id = "222222222222", roles = ["minilab-dev-processor"], actions = ["sqs:ReceiveMessage"] }
  }
}

run "fifo_with_dead_letters_and_one_reader" {
  command = apply

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.this, aws_sqs_queue.dead_letters[0]] : queue.fifo_queue && queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId"])
    error_message = "The queues are not FIFO in high-throughput mode."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.this, aws_sqs_queue.dead_letters[0]] : queue.kms_master_key_id == var.kms_key_arn])
    error_message = "Messages are not encrypted with our key."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 5
    error_message = "A message is given up at another try than the code thinks."
  }

  assert {
    condition = jsondecode(aws_sqs_queue_policy.this["minilab-dev-ingest.fifo"].policy).Statement[1] == {
      Sid       = "Processor"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::222222222222:root" }
      Action    = ["sqs:ReceiveMessage"]
      Resource  = "arn:aws:sqs:eu-central-1:111111111111:minilab-dev-ingest.fifo"
      Condition = { ArnEquals = { "aws:PrincipalArn" = ["arn:aws:iam::222222222222:role/minilab-dev-processor"] } }
    }
    error_message = "The grant is not the one declared."
  }

  assert {
    condition     = [for statement in jsondecode(aws_sqs_queue_policy.this["minilab-dev-ingest-dlq.fifo"].policy).Statement : statement.Sid] == ["OnlyOverTls"]
    error_message = "Who may read the queue may also reach its dead letters."
  }
}

run "a_standard_queue_alone" {
  command = plan

  variables {
    name             = "minilab-dev-failed"
    dead_letter_name = null
    grants           = {}
  }

  assert {
    condition     = !aws_sqs_queue.this.fifo_queue && length(aws_sqs_queue.dead_letters) == 0
    error_message = "It is FIFO, or has dead letters."
  }
}

run "dead_letters_of_another_kind_are_refused" {
  command = plan

  variables {
    dead_letter_name = "minilab-dev-ingest-dlq"
  }

  expect_failures = [var.dead_letter_name]
}

run "every_role_is_refused" {
  command = plan

  variables {
    grants = { All = { account_id = "222222222222", roles = ["*"], actions = ["sqs:ReceiveMessage"] } }
  }

  expect_failures = [var.grants]
}

run "every_action_is_refused" {
  command = plan

  variables {
    dead_letter_grants = { All = { account_id = "222222222222", roles = ["minilab-dev-x"], actions = ["sqs:*"] } }
  }

  expect_failures = [var.dead_letter_grants]
}

run "an_account_that_is_none_is_refused" {
  command = plan

  variables {
    grants = { All = { account_id = "team-b", roles = ["minilab-dev-x"], actions = ["sqs:ReceiveMessage"] } }
  }

  expect_failures = [var.grants]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "Ingest.fifo"
  }

  expect_failures = [var.name]
}

run "an_alias_for_a_key_is_refused" {
  command = plan

  variables {
    kms_key_arn = "alias/aws/sqs"
  }

  expect_failures = [var.kms_key_arn]
}
