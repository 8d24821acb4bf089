# Who is told of what, and where each team sees how it is. Runs in the management account, where the budget is;
# everything else is in shared-services, which watches the metrics of team-a and team-b.

data "aws_partition" "current" {}

module "accounts" {
  source = "../../modules/organization-accounts"

  required = ["shared-services", "team-a", "team-b"]
}

locals {
  name        = "minilab-${var.environment}"
  partition   = data.aws_partition.current.partition
  account_ids = module.accounts.ids
  role_arns   = { for name, id in local.account_ids : name => "arn:${local.partition}:iam::${id}:role/${var.role_name}" }
  shared      = local.account_ids["shared-services"]
  team_a      = local.account_ids["team-a"]
  team_b      = local.account_ids["team-b"]
  teams       = toset(["platform", "team-a", "team-b"])

  # The same file that the code reads.
  streams = yamldecode(file("${path.module}/../../../contracts/streams.yaml")).streams
  of_bus  = { for bus in ["kafka", "sqs"] : bus => [for name, stream in local.streams : name if stream.bus == bus] }
}

# --- shared-services sees the others' metrics ----------------------------------------------------

resource "aws_oam_sink" "this" {
  name = local.name

  provider = aws.shared_services
}

resource "aws_oam_sink_policy" "this" {
  sink_identifier = aws_oam_sink.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TeamsShowTheirMetrics"
        Effect    = "Allow"
        Principal = { AWS = [for id in [local.team_a, local.team_b] : "arn:${local.partition}:iam::${id}:root"] }
        Action    = ["oam:CreateLink", "oam:UpdateLink"]
        Resource  = "*"
        Condition = { "ForAllValues:StringEquals" = { "oam:ResourceTypes" = ["AWS::CloudWatch::Metric"] } }
      },
    ]
  })

  provider = aws.shared_services
}

resource "aws_oam_link" "team_a" {
  label_template  = "$AccountName"
  resource_types  = ["AWS::CloudWatch::Metric"]
  sink_identifier = aws_oam_sink.this.arn

  depends_on = [aws_oam_sink_policy.this]

  provider = aws.team_a
}

resource "aws_oam_link" "team_b" {
  label_template  = "$AccountName"
  resource_types  = ["AWS::CloudWatch::Metric"]
  sink_identifier = aws_oam_sink.this.arn

  depends_on = [aws_oam_sink_policy.this]

  provider = aws.team_b
}

# --- who is told ---------------------------------------------------------------------------------

module "key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-alerts"
  description = "What alarms and Dagster tell."

  services = {
    Alarms = {
      principal  = "cloudwatch.amazonaws.com"
      actions    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      conditions = { StringEquals = { "aws:SourceAccount" = [local.shared] } }
    }
  }

  providers = { aws = aws.shared_services }
}

# `runs` is Dagster's own (minilab_dagster, the sensor run_failures): a message is a run that failed.
module "topic" {
  source   = "../../modules/alert-topic"
  for_each = merge(var.emails, { runs = try(var.emails["platform"], []) })

  name        = "${local.name}-alerts-${each.key}"
  kms_key_arn = module.key.arn
  emails      = each.value

  providers = { aws = aws.shared_services }
}

# --- what is measured ----------------------------------------------------------------------------

data "aws_apigatewayv2_apis" "ingest" {
  name          = "${local.name}-api"
  protocol_type = "HTTP"

  provider = aws.team_a
}

# Each metric on one line, so that a test finds it (tests/infra/test_metrics.py): it is one that AWS documents, or
# one that the code emits.
locals {
  api_id        = one(data.aws_apigatewayv2_apis.ingest.ids)
  ingest_fifo   = "${local.name}-ingest.fifo"
  ingest_dlq    = "${local.name}-ingest-dlq.fifo"
  failed_queue  = "${local.name}-failed"
  routed        = concat(sort(keys(local.streams)), ["unrouted"])
  stream_queues = { for stream in local.of_bus.sqs : stream => "${local.name}-${stream}" }
  services      = { for part in ["webserver", "daemon", "code"] : part => "${local.name}-dagster-${part}" }

  metrics = {
    api_errors   = { namespace = "AWS/ApiGateway", name = "5xx", dimensions = { ApiId = local.api_id }, statistic = "Sum", account_id = local.team_a }
    api_requests = { namespace = "AWS/ApiGateway", name = "Count", dimensions = { ApiId = local.api_id }, statistic = "SampleCount", account_id = local.team_a }
    api_latency  = { namespace = "AWS/ApiGateway", name = "Latency", dimensions = { ApiId = local.api_id }, statistic = "p99", account_id = local.team_a }

    ingest_errors       = { namespace = "AWS/Lambda", name = "Errors", dimensions = { FunctionName = "${local.name}-ingest" }, statistic = "Sum", account_id = local.team_a }
    ingest_throttles    = { namespace = "AWS/Lambda", name = "Throttles", dimensions = { FunctionName = "${local.name}-ingest" }, statistic = "Sum", account_id = local.team_a }
    processor_errors    = { namespace = "AWS/Lambda", name = "Errors", dimensions = { FunctionName = "${local.name}-processor" }, statistic = "Sum", account_id = local.team_b }
    processor_throttles = { namespace = "AWS/Lambda", name = "Throttles", dimensions = { FunctionName = "${local.name}-processor" }, statistic = "Sum", account_id = local.team_b }

    processed   = { namespace = "Minilab", name = "Events", dimensions = { environment = var.environment, service = "processing" }, statistic = "Sum", account_id = local.team_b }
    unprocessed = { namespace = "Minilab", name = "FailedEvents", dimensions = { environment = var.environment, service = "processing" }, statistic = "Sum", account_id = local.team_b }
    given_up    = { namespace = "Minilab", name = "MessagesGivenUp", dimensions = { environment = var.environment, service = "processing" }, statistic = "Sum", account_id = local.team_b }
    waiting     = { namespace = "Minilab", name = "MessagesWaiting", dimensions = { environment = var.environment, service = "processing" }, statistic = "Sum", account_id = local.team_b }

    ingest_age    = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = local.ingest_fifo }, statistic = "Maximum", account_id = local.team_a }
    ingest_depth  = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = local.ingest_fifo }, statistic = "Maximum", account_id = local.team_a }
    ingest_dead   = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = local.ingest_dlq }, statistic = "Maximum", account_id = local.team_a }
    failed_age    = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = local.failed_queue }, statistic = "Maximum", account_id = local.team_a }
    database_cpu  = { namespace = "AWS/RDS", name = "CPUUtilization", dimensions = { DBInstanceIdentifier = "${local.name}-dagster" }, statistic = "Average", account_id = local.shared }
    database_free = { namespace = "AWS/RDS", name = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = "${local.name}-dagster" }, statistic = "Minimum", account_id = local.shared }
  }

  # Told by Dagster's sensor `metrics`, and by landing.
  of_dagster = {
    marts_age     = { namespace = "Minilab", name = "MartsAge", dimensions = { environment = var.environment, service = "dagster" }, statistic = "Maximum", account_id = local.shared }
    marts_behind  = { namespace = "Minilab", name = "MartsBehind", dimensions = { environment = var.environment, service = "dagster" }, statistic = "Maximum", account_id = local.shared }
    runs_canceled = { namespace = "Minilab", name = "Runs", dimensions = { environment = var.environment, service = "dagster", status = "canceled" }, statistic = "Sum", account_id = local.shared }
    runs_failed   = { namespace = "Minilab", name = "Runs", dimensions = { environment = var.environment, service = "dagster", status = "failure" }, statistic = "Sum", account_id = local.shared }
    runs_well     = { namespace = "Minilab", name = "Runs", dimensions = { environment = var.environment, service = "dagster", status = "success" }, statistic = "Sum", account_id = local.shared }
  }

  of_landing = {
    for stream in sort(keys(local.streams)) : stream => {
      landed = { namespace = "Minilab", name = "Events", dimensions = { environment = var.environment, service = "landing", stream = stream }, statistic = "Sum", account_id = local.shared }
      failed = { namespace = "Minilab", name = "FailedEvents", dimensions = { environment = var.environment, service = "landing", stream = stream }, statistic = "Sum", account_id = local.shared }
    }
  }

  of_stream = {
    for stream in local.routed : stream => {
      accepted = { namespace = "Minilab", name = "Accepted", dimensions = { service = "ingest", stream = stream }, statistic = "Sum", account_id = local.team_a }
      rejected = { namespace = "Minilab", name = "Rejected", dimensions = { service = "ingest", stream = stream }, statistic = "Sum", account_id = local.team_a }
      deferred = { namespace = "Minilab", name = "Deferred", dimensions = { service = "ingest", stream = stream }, statistic = "Sum", account_id = local.team_a }
    }
  }

  of_queue = {
    for stream, queue in local.stream_queues : stream => {
      age  = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = queue }, statistic = "Maximum", account_id = local.shared }
      dead = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = "${queue}-dlq" }, statistic = "Maximum", account_id = local.shared }
    }
  }

  of_service = {
    for part, service in local.services : part => { namespace = "ECS/ContainerInsights", name = "RunningTaskCount", dimensions = { ClusterName = local.name, ServiceName = service }, statistic = "Minimum", account_id = local.shared }
  }

  processor_tasks = { namespace = "ECS/ContainerInsights", name = "RunningTaskCount", dimensions = { ClusterName = local.name, ServiceName = "${local.name}-processor" }, statistic = "Minimum", account_id = local.team_b }

  # The landers' group follows what they landed (minilab.landing).
  of_topic = {
    for stream in local.of_bus.kafka : stream => { namespace = "AWS/Kafka", name = "SumOffsetLag", dimensions = { "Cluster Name" = var.kafka_cluster_name, "Consumer Group" = "${local.name}-landing", Topic = "${local.name}-${stream}" }, statistic = "Maximum", account_id = local.shared } if var.kafka_cluster_name != null
  }
}

# --- what is wrong -------------------------------------------------------------------------------

locals {
  late_minutes = ceil(var.late_after_seconds / 60)

  # What can be wrong with the processor in the form in which it runs.
  of_form = {
    lambda = {
      function-errors = {
        description = "The processor's function fails."
        advice      = "Its log says why."
        metrics     = { errors = local.metrics.processor_errors }
        threshold   = 0
        periods     = 3
        datapoints  = 2
      }
      function-throttled = {
        description = "The processor's function is held back by its concurrency."
        advice      = "Raise the account's limit; maximum_concurrency is what the queue asks for at once."
        metrics     = { throttles = local.metrics.processor_throttles }
        threshold   = 0
        periods     = 3
        datapoints  = 2
      }
    }
    ecs = {
      processor-down = {
        description = "The processor does not run."
        advice      = "The service's events say why: its image, or its role."
        metrics     = { tasks = local.processor_tasks }
        comparison  = "LessThanThreshold"
        threshold   = 1
        periods     = 3
        missing     = "breaching"
      }
    }
  }

  alarms = {
    team-a = merge(
      {
        api-errors = {
          description = "More than 1 % of the API's answers are 5xx."
          advice      = "Nothing accepted is lost, clients come again; look at the function's log."
          metrics     = { errors = local.metrics.api_errors, requests = local.metrics.api_requests }
          expression  = "IF(requests > 0, 100 * errors / requests, 0)"
          threshold   = 1
          periods     = 3
          datapoints  = 2
        }
        api-slow = {
          description = "One of a hundred requests takes more than a second."
          advice      = "Look at the traces, and at DynamoDB and SQS."
          metrics     = { latency = local.metrics.api_latency }
          threshold   = 1000
          periods     = 3
        }
        function-errors = {
          description = "The API's function fails."
          advice      = "Its log says why."
          metrics     = { errors = local.metrics.ingest_errors }
          threshold   = 0
          periods     = 3
          datapoints  = 2
        }
        function-throttled = {
          description = "The API's function is held back by its concurrency."
          advice      = "Raise reserved_concurrency, or the account's limit."
          metrics     = { throttles = local.metrics.ingest_throttles }
          threshold   = 0
          periods     = 3
          datapoints  = 2
        }
      },
      {
        for stream in local.routed : "rejected-${stream}" => {
          description = "More than 5 % of the events of ${stream} are rejected."
          advice      = "Ask `minilab failed list --stage ingest` why, and the producer."
          metrics     = { accepted = local.of_stream[stream].accepted, rejected = local.of_stream[stream].rejected }
          expression  = "100 * FILL(rejected, 0) / (FILL(accepted, 0) + FILL(rejected, 0))"
          threshold   = 5
          periods     = 3
          datapoints  = 2
        } if stream != "unrouted"
      },
    )

    team-b = merge({
      ingest-old = {
        description = "Accepted events have waited for more than ${local.late_minutes} minutes to be processed."
        advice      = "The processor is down, or a bus is away: its log says which. It goes on by itself."
        metrics     = { age = local.metrics.ingest_age }
        threshold   = var.late_after_seconds
        periods     = 2
      }
      dead-letters = {
        description = "The processor failed five times on a message."
        advice      = "Landing makes failed events of them: `minilab failed list --stage processing`."
        metrics     = { dead = local.metrics.ingest_dead }
        threshold   = 0
      }
      given-up = {
        description = "The processor gave messages up."
        advice      = "`minilab failed list --stage processing` says why."
        metrics     = { messages = local.metrics.given_up }
        threshold   = 0
      }
      failed-events = {
        description = "More than 1 % of what is processed becomes failed events."
        advice      = "`minilab failed list --stage processing` says why."
        metrics     = { failed = local.metrics.unprocessed, done = local.metrics.processed }
        expression  = "IF(failed + done > 0, 100 * failed / (failed + done), 0)"
        threshold   = 1
        periods     = 3
        datapoints  = 2
      }
    }, local.of_form[var.processor_runs_on])

    platform = merge(
      {
        failed-old = {
          description = "Failed events have waited for more than ${local.late_minutes} minutes to be landed."
          advice      = "Dagster's sensor failed_backlog says why it asks for no run."
          metrics     = { age = local.metrics.failed_age }
          threshold   = var.late_after_seconds
          periods     = 2
        }
        runs-failed = {
          description = "Runs of Dagster failed."
          advice      = "The message of each says which, and why."
          metrics     = { runs = local.of_dagster.runs_failed }
          threshold   = 0
        }
        database-busy = {
          description = "Dagster's database is busy."
          advice      = "Give it a larger instance, or purge ticks (dagster.yaml)."
          metrics     = { cpu = local.metrics.database_cpu }
          threshold   = 90
          periods     = 3
        }
        database-full = {
          description = "Dagster's database has less than 2 GB left."
          advice      = "It has grown to its maximum: raise that."
          metrics     = { free = local.metrics.database_free }
          comparison  = "LessThanThreshold"
          threshold   = 2 * 1024 * 1024 * 1024
        }
      },
      {
        for key, alarm in {
          marts-behind = {
            description = "Landed events have waited for more than ${local.late_minutes} minutes to be in the marts."
            advice      = "Look at the automation, and at the runs and checks that it waits for; the sensor metrics names the mart."
            metrics     = { seconds = local.of_dagster.marts_behind }
            threshold   = var.late_after_seconds
            periods     = 2
            missing     = "breaching"
          }
          marts-stale = {
            description = "A mart was not built for more than 26 hours."
            advice      = "The schedule daily_upkeep_schedule builds all of them each day: look at its runs."
            metrics     = { seconds = local.of_dagster.marts_age }
            threshold   = 26 * 3600
            missing     = "notBreaching"
          }
        } : key => alarm if var.dagster_runs
      },
      {
        for stream, events in local.of_landing : "failed-events-${stream}" => {
          description = "More than 1 % of the events of ${stream} fail at landing."
          advice      = "`minilab failed list --stage landing` says why."
          metrics     = events
          expression  = "IF(failed + landed > 0, 100 * failed / (failed + landed), 0)"
          threshold   = 1
          periods     = 3
          datapoints  = 2
        }
      },
      {
        for stream in local.of_bus.sqs : "landing-old-${stream}" => {
          description = "Events of ${stream} have waited for more than ${local.late_minutes} minutes to be landed."
          advice      = "Look at the runs of raw/${stream}."
          metrics     = { age = local.of_queue[stream].age }
          threshold   = var.late_after_seconds
          periods     = 2
        }
      },
      {
        for stream in local.of_bus.sqs : "dead-letters-${stream}" => {
          description = "Landing failed five times on a message of ${stream}."
          advice      = "`minilab failed list --stage landing` says why, once it is landed."
          metrics     = { dead = local.of_queue[stream].dead }
          threshold   = 0
        }
      },
      {
        for stream, lag in local.of_topic : "landing-lag-${stream}" => {
          description = "Landing is more than 100,000 events of ${stream} behind."
          advice      = "Look at the runs of raw/${stream}."
          metrics     = { lag = lag }
          threshold   = 100000
          periods     = 3
        }
      },
      {
        for part, tasks in local.of_service : "dagster-${part}-down" => {
          description = "Dagster's ${part} does not run."
          advice      = "The service's events say why: image, health check, or password."
          metrics     = { tasks = tasks }
          comparison  = "LessThanThreshold"
          threshold   = 1
          periods     = 3
          missing     = "breaching"
        } if var.dagster_runs
      },
    )
  }

  # Of all that is wrong: what keeps events from where they are asked for.
  late = concat(
    [for key, name in module.alarms["team-b"].names : name if contains(["ingest-old", "processor-down"], key)],
    [for key, name in module.alarms["platform"].names : name if can(regex("^(failed-old|landing-.*|marts-.*|dagster-(daemon|code)-down)$", key))],
  )
}

module "alarms" {
  source   = "../../modules/metric-alarms"
  for_each = local.teams

  name       = "${local.name}-${each.key}"
  topic_arns = [module.topic[each.key].arn]
  alarms     = local.alarms[each.key]

  depends_on = [aws_oam_link.team_a, aws_oam_link.team_b]

  providers = { aws = aws.shared_services }
}

resource "aws_cloudwatch_composite_alarm" "late" {
  alarm_name        = "${local.name}-data-is-late"
  alarm_description = "Events are on their way for too long, or nothing takes them on: what is asked of the marts is not up to date."
  alarm_rule        = join(" OR ", [for name in sort(local.late) : "ALARM(\"${name}\")"])
  alarm_actions     = [for team in local.teams : module.topic[team].arn]
  ok_actions        = [for team in local.teams : module.topic[team].arn]

  provider = aws.shared_services
}

# --- where each team sees how it is --------------------------------------------------------------

locals {
  # Beside what has an alarm: what gives it a context.
  graphs = {
    team-a = {
      "Events accepted" = [for stream in local.routed : local.of_stream[stream].accepted]
      "Events rejected" = [for stream in local.routed : local.of_stream[stream].rejected]
      "Events deferred" = [for stream in local.routed : local.of_stream[stream].deferred]
      "Requests"        = [local.metrics.api_requests]
    }
    team-b = {
      "Events processed" = [local.metrics.processed, local.metrics.unprocessed]
      "Messages queued"  = [local.metrics.ingest_depth]
      "Messages waiting" = [local.metrics.waiting]
    }
    platform = {
      "Events landed"           = [for stream in local.of_landing : stream.landed]
      "Events that failed"      = [for stream in local.of_landing : stream.failed]
      "Runs that ended"         = [local.of_dagster.runs_well, local.of_dagster.runs_failed, local.of_dagster.runs_canceled]
      "Seconds of age of marts" = [local.of_dagster.marts_age]
    }
  }

  # A dashboard has 24 columns; a graph takes eight, and six rows.
  panels = {
    for team in local.teams : team => concat(
      [for title in keys(local.graphs[team]) : { title = title, metrics = local.graphs[team][title], line = null }],
      [for key in keys(local.alarms[team]) : { title = local.alarms[team][key].description, metrics = values(local.alarms[team][key].metrics), line = try(local.alarms[team][key].expression, null) == null ? local.alarms[team][key].threshold : null }],
    )
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each = local.teams

  dashboard_name = "${local.name}-${each.key}"

  dashboard_body = jsonencode({
    widgets = concat(
      [
        {
          type   = "alarm"
          x      = 0
          y      = 0
          width  = 24
          height = 4
          properties = {
            title  = "Alarms"
            alarms = concat([aws_cloudwatch_composite_alarm.late.arn], values(module.alarms[each.key].arns))
          }
        },
      ],
      [
        for index, panel in local.panels[each.key] : {
          type   = "metric"
          x      = index % 3 * 8
          y      = 4 + floor(index / 3) * 6
          width  = 8
          height = 6
          properties = merge(
            {
              title  = panel.title
              region = var.region
              view   = "timeSeries"
              period = 300
              metrics = [
                for metric in panel.metrics : concat(
                  [metric.namespace, metric.name],
                  flatten([for dimension, value in metric.dimensions : [dimension, value]]),
                  [{ stat = metric.statistic, accountId = metric.account_id }],
                )
              ]
            },
            { for name in ["annotations"] : name => { horizontal = [{ label = "alarm", value = panel.line }] } if panel.line != null },
          )
        }
      ],
    )
  })

  provider = aws.shared_services
}

# --- what it may cost ----------------------------------------------------------------------------

resource "aws_budgets_budget" "monthly" {
  name         = local.name
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type          = notification.key
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.emails["platform"]
    }
  }
}
