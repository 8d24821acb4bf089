mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "minilab-dev-orders"
  cluster             = { name = "minilab-dev", arn = "arn:aws:ecs:eu-central-1:111111111111:cluster/minilab-dev" }
  task_definition_arn = "arn:aws:ecs:eu-central-1:111111111111:task-definition/minilab-dev-orders:1"
  network             = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-workload"] }
  tasks               = { least = 1, most = 10 }
  backlog             = { namespace = "Minilab", name = "Backlog", dimensions = { environment = "dev", service = "orders" }, per_task = 500 }
}

run "private_and_reached_by_nobody" {
  command = apply

  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip && !aws_ecs_service.this.enable_execute_command
    error_message = "It has a public address, or a way into its container."
  }

  assert {
    condition     = aws_ecs_service.this.network_configuration[0].security_groups == toset(["sg-workload"]) && length(aws_ecs_service.this.load_balancer) == 0
    error_message = "It carries other security groups, or something leads to it."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].rollback && aws_ecs_service.this.deployment_minimum_healthy_percent == 100
    error_message = "A version that does not start takes the place of one that runs."
  }
}

run "as_many_as_there_is_work" {
  command = apply

  assert {
    condition     = aws_appautoscaling_target.this.resource_id == "service/minilab-dev/minilab-dev-orders" && aws_appautoscaling_target.this.min_capacity == 1 && aws_appautoscaling_target.this.max_capacity == 10
    error_message = "Another service is scaled, or by other limits."
  }

  assert {
    condition     = aws_appautoscaling_policy.backlog.target_tracking_scaling_policy_configuration[0].target_value == 500
    error_message = "A task has more before it than it was told, or less."
  }

  assert {
    condition     = [for metric in aws_appautoscaling_policy.backlog.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : metric.expression if metric.return_data] == ["backlog / tasks"]
    error_message = "Something else than the backlog of a task is followed."
  }

  assert {
    condition = {
      for metric in aws_appautoscaling_policy.backlog.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics :
      metric.id => { for dimension in metric.metric_stat[0].metric[0].dimensions : dimension.name => dimension.value } if length(metric.metric_stat) > 0
      } == {
      backlog = { environment = "dev", service = "orders" }
      tasks   = { ClusterName = "minilab-dev", ServiceName = "minilab-dev-orders" }
    }
    error_message = "Other messages are counted, or other tasks."
  }
}

run "none_at_all_is_refused" {
  command = plan

  variables {
    tasks = { least = 0, most = 10 }
  }

  expect_failures = [var.tasks]
}

run "fewer_at_most_than_at_least_is_refused" {
  command = plan

  variables {
    tasks = { least = 3, most = 2 }
  }

  expect_failures = [var.tasks]
}

run "no_backlog_at_all_is_refused" {
  command = plan

  variables {
    backlog = { namespace = "Minilab", name = "Backlog", dimensions = {}, per_task = 0 }
  }

  expect_failures = [var.backlog]
}

run "one_subnet_is_refused" {
  command = plan

  variables {
    network = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-workload"] }
  }

  expect_failures = [var.network]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "orders"
  }

  expect_failures = [var.name]
}
