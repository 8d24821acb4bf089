mock_provider "aws" {
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "shared_services"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "team_a"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "team_b"
  source = "../../mocks"
}

variables {
  environment        = "dev"
  region             = "eu-central-1"
  monthly_budget_usd = 500
  emails = {
    platform = ["platform@example.com"]
    team-a   = ["team-a@example.com"]
    team-b   = ["team-b@example.com"]
  }
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

run "a_team_without_anybody_is_refused" {
  command = plan

  variables {
    emails = { platform = ["platform@example.com"] }
  }

  expect_failures = [var.emails]
}

run "late_before_sqs_can_tell_is_refused" {
  command = plan

  variables {
    late_after_seconds = 30
  }

  expect_failures = [var.late_after_seconds]
}

run "a_budget_of_nothing_is_refused" {
  command = plan

  variables {
    monthly_budget_usd = 0
  }

  expect_failures = [var.monthly_budget_usd]
}

run "a_processor_that_runs_elsewhere_is_refused" {
  command = plan

  variables {
    processor_runs_on = "fargate"
  }

  expect_failures = [var.processor_runs_on]
}

run "each_team_is_told_of_its_own" {
  command = apply

  assert {
    condition     = output.alarm_names["team-b"] == tolist(["minilab-dev-team-b-dead-letters", "minilab-dev-team-b-failed-events", "minilab-dev-team-b-function-errors", "minilab-dev-team-b-function-throttled", "minilab-dev-team-b-given-up", "minilab-dev-team-b-ingest-old"])
    error_message = "Team B has other alarms."
  }

  assert {
    condition     = length(output.topic_arns) == 4
    error_message = "A team, or Dagster, has no topic."
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.late.alarm_rule == "ALARM(\"minilab-dev-platform-dagster-code-down\") OR ALARM(\"minilab-dev-platform-dagster-daemon-down\") OR ALARM(\"minilab-dev-platform-failed-old\") OR ALARM(\"minilab-dev-platform-landing-old-billing\") OR ALARM(\"minilab-dev-platform-landing-old-webhooks\") OR ALARM(\"minilab-dev-platform-marts-behind\") OR ALARM(\"minilab-dev-platform-marts-stale\") OR ALARM(\"minilab-dev-team-b-ingest-old\")"
    error_message = "Data is late for other reasons."
  }

  assert {
    condition     = length([for name in output.alarm_names["platform"] : name if startswith(name, "minilab-dev-platform-failed-events-")]) == length(local.streams)
    error_message = "Nobody is told that a stream's events fail at landing."
  }

  assert {
    condition     = alltrue([for dashboard in aws_cloudwatch_dashboard.this : length(jsondecode(dashboard.dashboard_body).widgets) > 5])
    error_message = "A team sees nothing."
  }

  assert {
    condition     = local.metrics.api_errors.dimensions.ApiId == "a1b2c3d4e5" && local.metrics.ingest_age.account_id == "555555555555" && local.metrics.processed.account_id == "666666666666" && local.of_queue["billing"].age.account_id == "333333333333"
    error_message = "A metric is looked for where it is not."
  }

  assert {
    condition     = aws_oam_link.team_a.resource_types == toset(["AWS::CloudWatch::Metric"]) && aws_oam_link.team_b.resource_types == toset(["AWS::CloudWatch::Metric"])
    error_message = "More than metrics is shown."
  }
}

run "with_kafka_and_without_dagster" {
  command = apply

  variables {
    kafka_cluster_name = "minilab-dev"
    dagster_runs       = false
  }

  assert {
    condition     = contains(output.alarm_names["platform"], "minilab-dev-platform-landing-lag-product") && strcontains(aws_cloudwatch_composite_alarm.late.alarm_rule, "landing-lag-product")
    error_message = "Nobody is told of the consumers' lag."
  }

  assert {
    condition     = !can(regex("dagster-.*-down|marts-", jsonencode(output.alarm_names)))
    error_message = "Somebody is told that services are down, or marts late, which are not there."
  }
}

run "with_the_processor_as_a_service" {
  command = apply

  variables {
    processor_runs_on = "ecs"
  }

  assert {
    condition     = output.alarm_names["team-b"] == tolist(["minilab-dev-team-b-dead-letters", "minilab-dev-team-b-failed-events", "minilab-dev-team-b-given-up", "minilab-dev-team-b-ingest-old", "minilab-dev-team-b-processor-down"])
    error_message = "Team B is told of a function that is not there, or not of the service."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_composite_alarm.late.alarm_rule, "ALARM(\"minilab-dev-team-b-processor-down\")")
    error_message = "Data is on time though nothing processes it."
  }

  # The names that the events stack gives.
  assert {
    condition     = local.processor_tasks.dimensions == { ClusterName = "minilab-dev", ServiceName = "minilab-dev-processor" } && local.processor_tasks.account_id == "666666666666"
    error_message = "Another service is watched."
  }
}
