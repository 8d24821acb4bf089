# A task that is kept running: who reaches it, by which name, and how a new version takes over.

resource "aws_security_group" "this" {
  name        = var.name
  description = "The service ${var.name}: in from its callers."
  vpc_id      = var.network.vpc_id

  tags = { Name = var.name }
}

resource "aws_vpc_security_group_ingress_rule" "caller" {
  for_each = var.callers

  security_group_id            = aws_security_group.this.id
  description                  = each.key
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = var.container.port
  to_port                      = var.container.port
}

resource "aws_vpc_security_group_egress_rule" "caller" {
  for_each = var.callers

  security_group_id            = each.value
  description                  = var.name
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = var.container.port
  to_port                      = var.container.port
}

resource "aws_service_discovery_service" "this" {
  count = var.discovery == null ? 0 : 1

  name = var.discovery.name

  dns_config {
    namespace_id   = var.discovery.namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  # ECS says which tasks are well.
  health_check_custom_config {
    failure_threshold = 1
  }
}

# --- within the service network ------------------------------------------------------------------

data "aws_region" "current" {}

data "aws_ec2_managed_prefix_list" "lattice" {
  count = var.lattice_target_group_arn == null ? 0 : 1

  name = "com.amazonaws.${data.aws_region.current.name}.vpc-lattice"
}

resource "aws_vpc_security_group_ingress_rule" "lattice" {
  count = var.lattice_target_group_arn == null ? 0 : 1

  security_group_id = aws_security_group.this.id
  description       = "VPC Lattice"
  prefix_list_id    = data.aws_ec2_managed_prefix_list.lattice[0].id
  ip_protocol       = "tcp"
  from_port         = var.container.port
  to_port           = var.container.port
}

data "aws_caller_identity" "current" {}

# ECS registers the tasks' addresses in the target group with this role.
resource "aws_iam_role" "lattice" {
  count = var.lattice_target_group_arn == null ? 0 : 1

  name        = "${var.name}-lattice"
  description = "ECS registers the tasks of ${var.name} with VPC Lattice."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EcsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "ecs.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      }
    ]
  })
}

resource "aws_iam_role_policy" "lattice" {
  count = var.lattice_target_group_arn == null ? 0 : 1

  name = "register"
  role = aws_iam_role.lattice[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Targets"
        Effect   = "Allow"
        Action   = ["vpc-lattice:DeregisterTargets", "vpc-lattice:GetTargetGroup", "vpc-lattice:ListTargets", "vpc-lattice:RegisterTargets"]
        Resource = [var.lattice_target_group_arn, "${var.lattice_target_group_arn}/*"]
      },
      {
        Sid      = "Networks"
        Effect   = "Allow"
        Action   = ["ec2:DescribeSubnets", "ec2:DescribeVpcs"]
        Resource = "*"
      },
    ]
  })
}

# --- the service ---------------------------------------------------------------------------------

resource "aws_ecs_service" "this" {
  name                   = var.name
  cluster                = var.cluster_arn
  task_definition        = var.task_definition_arn
  desired_count          = var.desired_count
  launch_type            = "FARGATE"
  platform_version       = "LATEST"
  propagate_tags         = "SERVICE"
  enable_execute_command = false

  # One that must not run twice is stopped before the next begins.
  deployment_minimum_healthy_percent = var.never_twice ? 0 : 100
  deployment_maximum_percent         = var.never_twice ? 100 : 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    assign_public_ip = false
    subnets          = var.network.subnet_ids
    security_groups  = concat([aws_security_group.this.id], var.network.security_group_ids)
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this

    content {
      registry_arn = service_registries.value.arn
    }
  }

  dynamic "vpc_lattice_configurations" {
    for_each = var.lattice_target_group_arn == null ? [] : [var.lattice_target_group_arn]

    content {
      role_arn         = aws_iam_role.lattice[0].arn
      target_group_arn = vpc_lattice_configurations.value
      port_name        = var.container.name
    }
  }

  depends_on = [aws_iam_role_policy.lattice]
}
