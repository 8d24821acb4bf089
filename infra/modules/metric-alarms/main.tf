locals {
  # What CloudWatch compares with the threshold: the expression, or the one metric there is.
  queries = {
    for key, alarm in var.alarms : key => concat(
      [
        for id in sort(keys(alarm.metrics)) : {
          id         = id
          expression = null
          label      = null
          metric     = alarm.metrics[id]
          returned   = alarm.expression == null
        }
      ],
      [
        for expression in compact([alarm.expression]) : {
          id         = "compared"
          expression = expression
          label      = alarm.description
          metric     = null
          returned   = true
        }
      ],
    )
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = var.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} ${each.value.advice}"
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = coalesce(each.value.datapoints, each.value.periods)
  treat_missing_data  = each.value.missing
  alarm_actions       = var.topic_arns
  ok_actions          = var.topic_arns

  dynamic "metric_query" {
    for_each = local.queries[each.key]

    content {
      id          = metric_query.value.id
      expression  = metric_query.value.expression
      label       = metric_query.value.label
      return_data = metric_query.value.returned
      account_id  = try(metric_query.value.metric.account_id, null)

      dynamic "metric" {
        for_each = metric_query.value.metric == null ? [] : [metric_query.value.metric]

        content {
          namespace   = metric.value.namespace
          metric_name = metric.value.name
          dimensions  = metric.value.dimensions
          stat        = metric.value.statistic
          period      = each.value.period_seconds
        }
      }
    }
  }

  # An alarm that another one names cannot be removed: that one is changed first.
  lifecycle {
    create_before_destroy = true
  }
}
