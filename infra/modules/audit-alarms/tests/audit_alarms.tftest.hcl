mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name           = "minilab-dev"
  log_group_name = "/minilab/minilab-dev/trail"
  kms_key_arn    = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  emails         = ["security@example.com"]
}

run "every_event_has_a_filter_an_alarm_and_a_reader" {
  command = apply

  assert {
    condition     = keys(aws_cloudwatch_log_metric_filter.this) == keys(aws_cloudwatch_metric_alarm.this)
    error_message = "A filter without an alarm, or an alarm without a filter."
  }

  assert {
    condition     = alltrue([for name in ["root-use", "unauthorised-calls", "sign-in-without-mfa", "iam-policy-changes", "trail-changes", "lattice-policy-changes"] : contains(keys(aws_cloudwatch_metric_alarm.this), name)])
    error_message = "Something happens untold."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([module.topic.arn])])
    error_message = "An alarm tells nobody."
  }

  assert {
    condition     = alltrue([for name, filter in aws_cloudwatch_log_metric_filter.this : one(filter.metric_transformation).name == aws_cloudwatch_metric_alarm.this[name].metric_name])
    error_message = "An alarm looks at another filter's metric."
  }

  assert {
    condition     = module.topic.kms_key_arn == var.kms_key_arn
    error_message = "The topic is not encrypted by our key."
  }

  assert {
    condition     = module.topic.emails == ["security@example.com"]
    error_message = "Nobody is told."
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
    emails = ["security"]
  }

  expect_failures = [var.emails]
}

run "the_key_of_aws_is_refused" {
  command = plan

  variables {
    kms_key_arn = "alias/aws/sns"
  }

  expect_failures = [var.kms_key_arn]
}
