data "aws_partition" "current" {}

locals {
  is_lambda = var.target.type == "LAMBDA"

  # One statement per caller: these roles, from a VPC of their own account, for these calls.
  statements = [
    for caller, grant in var.callers : {
      Sid       = replace(title(replace(caller, "-", " ")), " ", "")
      Effect    = "Allow"
      Principal = "*"
      Action    = "vpc-lattice-svcs:Invoke"
      Resource  = "${aws_vpclattice_service.this.arn}/*"
      Condition = {
        StringEquals = {
          "aws:PrincipalAccount"                   = grant.account_id
          "vpc-lattice-svcs:RequestMethod"         = grant.methods
          "vpc-lattice-svcs:SourceVpcOwnerAccount" = grant.account_id
        }
        StringLike = { "vpc-lattice-svcs:RequestPath" = [for path in grant.paths : "${path}*"] }
        ArnLike = {
          "aws:PrincipalArn" = [
            for role in grant.roles : "arn:${data.aws_partition.current.partition}:iam::${grant.account_id}:role/${role}"
          ]
        }
      }
    }
  ]
}

resource "aws_vpclattice_service" "this" {
  name      = var.name
  auth_type = "AWS_IAM"
}

resource "aws_vpclattice_auth_policy" "this" {
  resource_identifier = aws_vpclattice_service.this.arn
  policy              = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_vpclattice_target_group" "this" {
  name = var.name
  type = var.target.type

  config {
    lambda_event_structure_version = local.is_lambda ? "V2" : null

    vpc_identifier   = local.is_lambda ? null : var.target.vpc_id
    port             = local.is_lambda ? null : var.target.port
    protocol         = local.is_lambda ? null : var.target.protocol
    protocol_version = local.is_lambda ? null : "HTTP1"
    ip_address_type  = var.target.type == "IP" ? "IPV4" : null

    # Lattice checks neither Lambda functions nor what is behind a load balancer.
    dynamic "health_check" {
      for_each = var.target.type == "IP" ? [var.target.health_path] : []

      content {
        enabled                       = true
        protocol                      = var.target.protocol
        protocol_version              = "HTTP1"
        path                          = health_check.value
        health_check_interval_seconds = 30
        health_check_timeout_seconds  = 5
        healthy_threshold_count       = 2
        unhealthy_threshold_count     = 2

        matcher {
          value = "200-299"
        }
      }
    }
  }
}

# What no rule names does not exist.
resource "aws_vpclattice_listener" "this" {
  name               = "https"
  service_identifier = aws_vpclattice_service.this.id
  protocol           = "HTTPS"
  port               = 443

  default_action {
    fixed_response {
      status_code = 404
    }
  }
}

resource "aws_vpclattice_listener_rule" "this" {
  for_each = var.rules

  name                = each.key
  listener_identifier = aws_vpclattice_listener.this.listener_id
  service_identifier  = aws_vpclattice_service.this.id
  priority            = each.value.priority

  match {
    http_match {
      method = each.value.method

      path_match {
        case_sensitive = true

        match {
          prefix = each.value.path_prefix
        }
      }
    }
  }

  action {
    forward {
      target_groups {
        target_group_identifier = aws_vpclattice_target_group.this.id
        weight                  = 100
      }
    }
  }
}

resource "aws_vpclattice_service_network_service_association" "this" {
  service_identifier         = aws_vpclattice_service.this.id
  service_network_identifier = var.service_network_id

  tags = { Name = var.name }

  # Nobody shall find the service before it knows who may call it.
  depends_on = [aws_vpclattice_auth_policy.this]
}
