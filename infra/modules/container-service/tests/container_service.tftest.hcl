mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "minilab-dev-orders"
  cluster_arn         = "arn:aws:ecs:eu-central-1:111111111111:cluster/minilab-dev"
  task_definition_arn = "arn:aws:ecs:eu-central-1:111111111111:task-definition/minilab-dev-orders:1"
  container           = { name = "orders", port = 3000 }
  network             = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-workload"] }
  callers             = { shop = "sg-shop" }
}

run "private_and_for_its_callers_only" {
  command = apply

  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip && !aws_ecs_service.this.enable_execute_command
    error_message = "It has a public address, or a way into its container."
  }

  assert {
    condition     = aws_ecs_service.this.network_configuration[0].security_groups == toset([aws_security_group.this.id, "sg-workload"])
    error_message = "It carries other security groups."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.caller : [rule.referenced_security_group_id, rule.from_port, rule.to_port]] == [["sg-shop", 3000, 3000]]
    error_message = "Others come in, or by other ports."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.caller["shop"].security_group_id == "sg-shop"
    error_message = "Its caller does not get out to it."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].rollback && aws_ecs_service.this.deployment_minimum_healthy_percent == 100
    error_message = "A version that does not start takes the place of one that runs."
  }
}

run "nothing_of_lattice_and_no_name_unless_asked_for" {
  command = plan

  assert {
    condition     = length(aws_iam_role.lattice) == 0 && length(aws_service_discovery_service.this) == 0
    error_message = "Something is there that was not asked for."
  }
}

run "in_the_service_network" {
  command = apply

  variables {
    lattice_target_group_arn = "arn:aws:vpc-lattice:eu-central-1:111111111111:targetgroup/tg-00000000000000000"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.lattice[0].prefix_list_id == "pl-0123456789abcdef0" && aws_vpc_security_group_ingress_rule.lattice[0].from_port == 3000
    error_message = "VPC Lattice does not come in."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.lattice[0].policy).Statement[0].Resource[0] == var.lattice_target_group_arn
    error_message = "ECS may register targets elsewhere."
  }
}

run "what_must_not_run_twice_ends_before_the_next_begins" {
  command = plan

  variables {
    never_twice = true
  }

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 0 && aws_ecs_service.this.deployment_maximum_percent == 100
    error_message = "Two run at once while it is deployed."
  }
}

run "twice_what_must_not_run_twice_is_refused" {
  command = plan

  variables {
    never_twice   = true
    desired_count = 2
  }

  expect_failures = [var.never_twice]
}

run "callers_without_a_port_are_refused" {
  command = plan

  variables {
    container = { name = "orders" }
  }

  expect_failures = [var.callers]
}

run "a_target_group_that_is_none_is_refused" {
  command = plan

  variables {
    lattice_target_group_arn = "tg-00000000000000000"
  }

  expect_failures = [var.lattice_target_group_arn]
}

run "one_subnet_is_refused" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = [] }
  }

  expect_failures = [var.network]
}

run "fewer_than_none_are_refused" {
  command = plan

  variables {
    desired_count = -1
  }

  expect_failures = [var.desired_count]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "orders"
  }

  expect_failures = [var.name]
}
