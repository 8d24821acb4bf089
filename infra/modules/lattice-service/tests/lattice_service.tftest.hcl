mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "minilab-dev-ingest"
  service_network_id = "sn-00000000000000000"
  target             = { type = "LAMBDA" }
  rules              = { events = { priority = 10, method = "POST", path_prefix = "/v1/events" } }
  callers = {
    team-b = { account_id = "333333333333", roles = ["minilab-dev-processor*"], methods = ["POST"], paths = ["/v1/events"] }
  }
}

run "only_the_named_callers_and_requests" {
  command = apply

  assert {
    condition     = aws_vpclattice_service.this.auth_type == "AWS_IAM"
    error_message = "Anyone may call."
  }

  assert {
    condition = jsondecode(aws_vpclattice_auth_policy.this.policy).Statement == [{
      Sid       = "TeamB"
      Effect    = "Allow"
      Principal = "*"
      Action    = "vpc-lattice-svcs:Invoke"
      Resource  = "arn:aws:vpc-lattice:eu-central-1:111111111111:service/svc-00000000000000000/*"
      Condition = {
        ArnLike = { "aws:PrincipalArn" = ["arn:aws:iam::333333333333:role/minilab-dev-processor*"] }
        StringEquals = {
          "aws:PrincipalAccount"                   = "333333333333"
          "vpc-lattice-svcs:RequestMethod"         = ["POST"]
          "vpc-lattice-svcs:SourceVpcOwnerAccount" = "333333333333"
        }
        StringLike = { "vpc-lattice-svcs:RequestPath" = ["/v1/events*"] }
      }
    }]
    error_message = "The policy is not the one declared."
  }

  assert {
    condition     = one(one(aws_vpclattice_listener.this.default_action).fixed_response).status_code == 404
    error_message = "What no rule names is answered."
  }

  assert {
    condition     = aws_vpclattice_listener.this.protocol == "HTTPS" && aws_vpclattice_listener.this.port == 443
    error_message = "Calls are not encrypted."
  }

  assert {
    condition     = keys(aws_vpclattice_listener_rule.this) == ["events"]
    error_message = "The rules are others."
  }

  assert {
    condition     = one(aws_vpclattice_target_group.this.config).vpc_identifier == null
    error_message = "A Lambda function has no VPC here."
  }
}

run "an_ip_target_is_checked_in_its_vpc" {
  command = plan

  variables {
    target = { type = "IP", vpc_id = "vpc-00000000000000000", port = 3000, protocol = "HTTP", health_path = "/server_info" }
  }

  assert {
    condition     = one(one(aws_vpclattice_target_group.this.config).health_check).path == "/server_info"
    error_message = "Nobody notices when it is down."
  }

  assert {
    condition     = one(aws_vpclattice_target_group.this.config).vpc_identifier == "vpc-00000000000000000"
    error_message = "It lies in another VPC."
  }
}

run "an_unknown_target_is_refused" {
  command = plan

  variables {
    target = { type = "INSTANCE", vpc_id = "vpc-00000000000000000" }
  }

  expect_failures = [var.target]
}

run "an_unknown_protocol_is_refused" {
  command = plan

  variables {
    target = { type = "IP", vpc_id = "vpc-00000000000000000", protocol = "TCP" }
  }

  expect_failures = [var.target]
}

run "an_ip_target_without_a_vpc_is_refused" {
  command = plan

  variables {
    target = { type = "IP" }
  }

  expect_failures = [var.target]
}

run "a_service_without_rules_is_refused" {
  command = plan

  variables {
    rules = {}
  }

  expect_failures = [var.rules]
}

run "one_priority_twice_is_refused" {
  command = plan

  variables {
    rules = {
      events = { priority = 10, method = "POST", path_prefix = "/v1/events" }
      health = { priority = 10, method = "GET", path_prefix = "/health" }
    }
  }

  expect_failures = [var.rules]
}

run "a_priority_out_of_range_is_refused" {
  command = plan

  variables {
    rules = { events = { priority = 101, method = "POST", path_prefix = "/v1/events" } }
  }

  expect_failures = [var.rules]
}

run "a_path_without_a_slash_is_refused" {
  command = plan

  variables {
    rules = { events = { priority = 10, method = "POST", path_prefix = "v1/events" } }
  }

  expect_failures = [var.rules]
}

run "an_unknown_method_is_refused" {
  command = plan

  variables {
    rules = { events = { priority = 10, method = "ANY", path_prefix = "/v1/events" } }
  }

  expect_failures = [var.rules]
}

run "a_rule_name_too_short_for_lattice_is_refused" {
  command = plan

  variables {
    rules = { v1 = { priority = 10, method = "POST", path_prefix = "/v1/events" } }
  }

  expect_failures = [var.rules]
}

run "no_callers_are_refused" {
  command = plan

  variables {
    callers = {}
  }

  expect_failures = [var.callers]
}

run "an_account_that_is_none_is_refused" {
  command = plan

  variables {
    callers = { team-b = { account_id = "team-b", roles = ["minilab-x"], methods = ["GET"], paths = ["/"] } }
  }

  expect_failures = [var.callers]
}

run "every_role_is_refused" {
  command = plan

  variables {
    callers = { team-b = { account_id = "333333333333", roles = ["*"], methods = ["GET"], paths = ["/"] } }
  }

  expect_failures = [var.callers]
}

run "a_wildcard_path_is_refused" {
  command = plan

  variables {
    callers = { team-b = { account_id = "333333333333", roles = ["minilab-x"], methods = ["GET"], paths = ["/*"] } }
  }

  expect_failures = [var.callers]
}

run "a_caller_without_a_method_is_refused" {
  command = plan

  variables {
    callers = { team-b = { account_id = "333333333333", roles = ["minilab-x"], methods = [], paths = ["/"] } }
  }

  expect_failures = [var.callers]
}

run "a_long_name_is_refused" {
  command = plan

  variables {
    name = "minilab-dev-a-service-with-far-too-long-a-name"
  }

  expect_failures = [var.name]
}
