mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "minilab-dev-team-a"
  organization_id     = "o-a1b2c3d4e5"
  cidr                = "10.20.0.0/20"
  availability_zones  = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  interface_endpoints = ["sqs", "sts"]
}

run "three_private_subnets_and_a_quarter_to_spare" {
  command = plan

  assert {
    condition     = { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } == { eu-central-1a = "10.20.0.0/22", eu-central-1b = "10.20.4.0/22", eu-central-1c = "10.20.8.0/22" }
    error_message = "The subnets have other ranges."
  }

  assert {
    condition     = !anytrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch])
    error_message = "Something would get a public address."
  }

  assert {
    condition     = length(aws_default_route_table.this.route) == 0
    error_message = "The default route table leads somewhere."
  }
}

run "what_aws_made_with_the_vpc_is_held_empty" {
  command = plan

  assert {
    condition     = length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0
    error_message = "A rule that somebody adds to the default group would not be seen."
  }
}

run "endpoints_serve_the_organization_only" {
  command = apply

  assert {
    condition     = toset(keys(aws_vpc_endpoint.gateway)) == toset(["dynamodb", "s3"]) && toset(keys(aws_vpc_endpoint.interface)) == toset(["sqs", "sts"])
    error_message = "The endpoints are others."
  }

  assert {
    condition     = alltrue([for endpoint in merge(aws_vpc_endpoint.gateway, aws_vpc_endpoint.interface) : jsondecode(endpoint.policy).Statement[0].Condition.StringEquals == { "aws:PrincipalOrgID" = "o-a1b2c3d4e5", "aws:ResourceOrgID" = "o-a1b2c3d4e5" }])
    error_message = "An endpoint serves others, or leads to others."
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "SDKs would not find an endpoint."
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.workload_to_gateways) == 2
    error_message = "A gateway endpoint cannot be reached."
  }
}

run "the_flow_log_keeps_everything_encrypted" {
  command = apply

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL"
    error_message = "Part of the traffic goes unseen."
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow_log.kms_key_id == module.log_key.arn
    error_message = "The flow log is not encrypted by our key."
  }
}

run "a_range_that_is_none_is_refused" {
  command = plan

  variables {
    cidr = "10.20.0.0"
  }

  expect_failures = [var.cidr]
}

run "a_range_that_does_not_begin_at_its_network_is_refused" {
  command = plan

  variables {
    cidr = "10.20.0.1/20"
  }

  expect_failures = [var.cidr]
}

run "a_range_too_wide_is_refused" {
  command = plan

  variables {
    cidr = "10.0.0.0/12"
  }

  expect_failures = [var.cidr]
}

run "a_range_too_narrow_is_refused" {
  command = plan

  variables {
    cidr = "10.20.0.0/26"
  }

  expect_failures = [var.cidr]
}

run "a_public_range_is_refused" {
  command = plan

  variables {
    cidr = "52.95.0.0/20"
  }

  expect_failures = [var.cidr]
}

run "two_zones_are_refused" {
  command = plan

  variables {
    availability_zones = ["eu-central-1a", "eu-central-1b"]
  }

  expect_failures = [var.availability_zones]
}

run "one_zone_thrice_is_refused" {
  command = plan

  variables {
    availability_zones = ["eu-central-1a", "eu-central-1a", "eu-central-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "an_interface_endpoint_for_s3_is_refused" {
  command = plan

  variables {
    interface_endpoints = ["s3"]
  }

  expect_failures = [var.interface_endpoints]
}

run "a_full_service_name_is_refused" {
  command = plan

  variables {
    interface_endpoints = ["com.amazonaws.eu-central-1.sqs"]
  }

  expect_failures = [var.interface_endpoints]
}

run "an_organization_that_is_none_is_refused" {
  command = plan

  variables {
    organization_id = "*"
  }

  expect_failures = [var.organization_id]
}

run "a_short_memory_is_refused" {
  command = plan

  variables {
    flow_log_retention_days = 7
  }

  expect_failures = [var.flow_log_retention_days]
}
