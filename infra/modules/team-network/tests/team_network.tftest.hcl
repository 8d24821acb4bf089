mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "minilab-dev-team-a"
  organization_id     = "o-a1b2c3d4e5"
  cidr                = "10.20.0.0/20"
  availability_zones  = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  interface_endpoints = ["sqs", "sts"]

  service_network_id = "sn-00000000000000000"
  services = {
    minilab-dev-ingest = {
      target  = { type = "LAMBDA" }
      rules   = { events = { priority = 10, method = "POST", path_prefix = "/v1/events" } }
      callers = { team-b = { account_id = "333333333333", roles = ["minilab-dev-processor*"], methods = ["POST"], paths = ["/v1/events"] } }
    }
    minilab-dev-pages = {
      target  = { type = "IP", port = 3000 }
      rules   = { pages = { priority = 10, method = "GET", path_prefix = "/" } }
      callers = { team-b = { account_id = "333333333333", roles = ["minilab-dev-processor*"], methods = ["GET"], paths = ["/"] } }
    }
  }
}

run "a_vpc_with_its_services" {
  command = apply

  assert {
    condition     = keys(output.services) == ["minilab-dev-ingest", "minilab-dev-pages"]
    error_message = "A service is missing."
  }

  assert {
    condition     = length(output.private_subnet_ids) == 3
    error_message = "A zone is missing."
  }
}

run "an_account_may_offer_nothing" {
  command = plan

  variables {
    services = {}
  }

  assert {
    condition     = length(output.services) == 0
    error_message = "It offers something."
  }
}
