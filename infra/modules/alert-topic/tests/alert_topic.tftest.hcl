mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "minilab-dev-alerts-team-a"
  kms_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  emails      = ["team-a@example.com"]
}

run "encrypted_and_for_alarms_of_this_account" {
  command = apply

  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == var.kms_key_arn
    error_message = "What is told is not encrypted with our key."
  }

  assert {
    condition     = [for statement in jsondecode(aws_sns_topic_policy.this.policy).Statement : statement.Condition.StringEquals["aws:SourceAccount"] if statement.Effect == "Allow"] == ["111111111111"]
    error_message = "Others' alarms may be sent to it."
  }

  assert {
    condition     = [for subscription in aws_sns_topic_subscription.email : subscription.endpoint] == ["team-a@example.com"]
    error_message = "Somebody else is told."
  }
}

run "nobody_to_tell_is_refused" {
  command = plan

  variables {
    emails = []
  }

  expect_failures = [var.emails]
}

run "an_address_that_is_none_is_refused" {
  command = plan

  variables {
    emails = ["team-a"]
  }

  expect_failures = [var.emails]
}

run "an_alias_for_a_key_is_refused" {
  command = plan

  variables {
    kms_key_arn = "alias/aws/sns"
  }

  expect_failures = [var.kms_key_arn]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "alerts"
  }

  expect_failures = [var.name]
}
