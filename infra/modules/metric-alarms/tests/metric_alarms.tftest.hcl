mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name       = "minilab-dev-team-a"
  topic_arns = ["arn:aws:sns:eu-central-1:111111111111:minilab-dev-alerts-team-a"]
  alarms = {
    oldest = {
      description = "Orders wait."
      advice      = "Look at the worker."
      metrics     = { age = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = "orders" }, statistic = "Maximum", account_id = "555555555555" } }
      threshold   = 300
    }
    refused = {
      description = "Orders are refused."
      advice      = "Look at the log."
      expression  = "100 * bad / all"
      metrics = {
        bad = { namespace = "AWS/ApiGateway", name = "5xx", dimensions = { ApiId = "a" }, statistic = "Sum", account_id = "555555555555" }
        all = { namespace = "AWS/ApiGateway", name = "Count", dimensions = { ApiId = "a" }, statistic = "Sum", account_id = "555555555555" }
      }
      threshold  = 1
      periods    = 3
      datapoints = 2
    }
  }
}

run "each_looks_at_its_metrics_in_their_account" {
  command = apply

  assert {
    condition     = output.names == { oldest = "minilab-dev-team-a-oldest", refused = "minilab-dev-team-a-refused" }
    error_message = "Other names."
  }

  assert {
    condition     = [for query in local.queries.oldest : [query.id, query.returned]] == [["age", true]]
    error_message = "A single metric is not what is compared."
  }

  assert {
    condition     = [for query in local.queries.refused : query.id if query.returned] == ["compared"]
    error_message = "Something else than the expression is compared."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset(var.topic_arns) && alarm.ok_actions == toset(var.topic_arns)])
    error_message = "Nobody is told of it, or of its end."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["refused"].datapoints_to_alarm == 2 && aws_cloudwatch_metric_alarm.this["oldest"].datapoints_to_alarm == 1
    error_message = "It goes off sooner or later than told."
  }

  assert {
    condition     = alltrue(flatten([for alarm in aws_cloudwatch_metric_alarm.this : [for query in alarm.metric_query : query.account_id == "555555555555" if query.id != "compared"]]))
    error_message = "It looks for the metrics in another account."
  }
}

run "two_metrics_without_an_expression_are_refused" {
  command = plan

  variables {
    alarms = {
      refused = {
        description = "Orders are refused."
        advice      = "Look at the log."
        metrics = {
          bad = { namespace = "AWS/ApiGateway", name = "5xx", dimensions = {}, statistic = "Sum", account_id = "555555555555" }
          all = { namespace = "AWS/ApiGateway", name = "Count", dimensions = {}, statistic = "Sum", account_id = "555555555555" }
        }
        threshold = 1
      }
    }
  }

  expect_failures = [var.alarms]
}

run "an_id_with_a_capital_is_refused" {
  command = plan

  variables {
    alarms = {
      oldest = {
        description = "Orders wait."
        advice      = "Look at the worker."
        metrics     = { Age = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = {}, statistic = "Maximum", account_id = "555555555555" } }
        threshold   = 300
      }
    }
  }

  expect_failures = [var.alarms]
}

run "an_unknown_word_for_missing_data_is_refused" {
  command = plan

  variables {
    alarms = {
      oldest = {
        description = "Orders wait."
        advice      = "Look at the worker."
        metrics     = { age = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = {}, statistic = "Maximum", account_id = "555555555555" } }
        threshold   = 300
        missing     = "bad"
      }
    }
  }

  expect_failures = [var.alarms]
}

run "more_datapoints_than_periods_are_refused" {
  command = plan

  variables {
    alarms = {
      oldest = {
        description = "Orders wait."
        advice      = "Look at the worker."
        metrics     = { age = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = {}, statistic = "Maximum", account_id = "555555555555" } }
        threshold   = 300
        datapoints  = 2
      }
    }
  }

  expect_failures = [var.alarms]
}

run "nobody_to_tell_is_refused" {
  command = plan

  variables {
    topic_arns = []
  }

  expect_failures = [var.topic_arns]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "alarms"
  }

  expect_failures = [var.name]
}
