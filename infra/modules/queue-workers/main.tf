# A task that takes from a queue: reached by nobody, and as many of them as there is work.

resource "aws_ecs_service" "this" {
  name                   = var.name
  cluster                = var.cluster.arn
  task_definition        = var.task_definition_arn
  desired_count          = var.tasks.least
  launch_type            = "FARGATE"
  platform_version       = "LATEST"
  propagate_tags         = "SERVICE"
  enable_execute_command = false

  # Workers of two versions may take from the queue at once.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    assign_public_ip = false
    subnets          = var.network.subnet_ids
    security_groups  = var.network.security_group_ids
  }

  # From the first day on it is the scaling's.
  lifecycle {
    ignore_changes = [desired_count]
  }
}

# --- as many as there is work --------------------------------------------------------------------

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  resource_id        = "service/${var.cluster.name}/${aws_ecs_service.this.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.tasks.least
  max_capacity       = var.tasks.most
}

# Application Auto Scaling User Guide, "Create a target tracking scaling policy for Application Auto Scaling using
# metric math": backlog per task.
resource "aws_appautoscaling_policy" "backlog" {
  name               = "${var.name}-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = var.backlog.per_task
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    customized_metric_specification {
      # Each task tells of the same queue: their average is what waits there, their sum is not.
      metrics {
        id          = "backlog"
        label       = "Messages that wait"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = var.backlog.namespace
            metric_name = var.backlog.name

            dynamic "dimensions" {
              for_each = var.backlog.dimensions

              content {
                name  = dimensions.key
                value = dimensions.value
              }
            }
          }
        }
      }

      # The cluster has Container Insights.
      metrics {
        id          = "tasks"
        label       = "Tasks that run"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"

            dimensions {
              name  = "ClusterName"
              value = var.cluster.name
            }

            dimensions {
              name  = "ServiceName"
              value = aws_ecs_service.this.name
            }
          }
        }
      }

      metrics {
        id          = "backlog_per_task"
        label       = "Messages that wait, by task"
        expression  = "backlog / tasks"
        return_data = true
      }
    }
  }
}
