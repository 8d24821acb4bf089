mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                       = "minilab-dev-team-a"
  service_network_id         = "sn-00000000000000000"
  vpc_id                     = "vpc-00000000000000000"
  workload_security_group_id = "sg-00000000000000000"
}

run "what_the_team_runs_may_enter_over_https" {
  command = apply

  assert {
    condition     = aws_vpc_security_group_ingress_rule.from_workload.referenced_security_group_id == "sg-00000000000000000" && aws_vpc_security_group_ingress_rule.from_workload.from_port == 443
    error_message = "Someone else may enter, or what the team runs may not."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.workload_to_lattice.prefix_list_id == "pl-0123456789abcdef0"
    error_message = "What the team runs gets out to somewhere else."
  }

  assert {
    condition     = one(aws_vpclattice_service_network_vpc_association.this.security_group_ids) == aws_security_group.this.id
    error_message = "The entry is not guarded."
  }
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "team-a"
  }

  expect_failures = [var.name]
}
