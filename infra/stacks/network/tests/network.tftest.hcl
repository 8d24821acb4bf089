mock_provider "aws" {
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "shared_services"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "analytics"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "team_a"
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "team_b"
  source = "../../mocks"
}

variables {
  environment = "dev"
  region      = "eu-central-1"
  vpcs = {
    shared-services = { cidr = "10.32.0.0/20" }
    analytics       = { cidr = "10.32.16.0/20" }
    team-a          = { cidr = "10.32.32.0/20" }
    team-b          = { cidr = "10.32.48.0/20" }
  }
  services = {
    ingest = {
      owner   = "team-a"
      target  = { type = "LAMBDA" }
      rules   = { events = { priority = 10, method = "POST", path_prefix = "/v1/events" } }
      callers = { team-b = { roles = ["minilab-dev-x"], methods = ["POST"], paths = ["/v1/events"] } }
    }
  }
}

run "an_environment_with_capitals_is_refused" {
  command = plan

  variables {
    environment = "Dev"
  }

  expect_failures = [var.environment]
}

run "a_region_that_is_none_is_refused" {
  command = plan

  variables {
    region = "europe"
  }

  expect_failures = [var.region]
}

run "one_range_twice_is_refused" {
  command = plan

  variables {
    vpcs = {
      shared-services = { cidr = "10.32.0.0/20" }
      analytics       = { cidr = "10.32.0.0/20" }
      team-a          = { cidr = "10.32.32.0/20" }
      team-b          = { cidr = "10.32.48.0/20" }
    }
  }

  expect_failures = [var.vpcs]
}

run "a_range_within_another_is_refused" {
  command = plan

  variables {
    vpcs = {
      shared-services = { cidr = "10.32.0.0/16" }
      analytics       = { cidr = "10.33.0.0/20" }
      team-a          = { cidr = "10.32.32.0/24" }
      team-b          = { cidr = "10.34.0.0/20" }
    }
  }

  expect_failures = [var.vpcs]
}

run "a_range_that_is_none_is_refused" {
  command = plan

  variables {
    vpcs = {
      shared-services = { cidr = "10.32.0.0/20" }
      analytics       = { cidr = "10.32.16.0/20" }
      team-a          = { cidr = "10.32.32.0/20" }
      team-b          = { cidr = "team-b" }
    }
  }

  expect_failures = [var.vpcs]
}

run "a_missing_vpc_is_refused" {
  command = plan

  variables {
    vpcs = { team-a = { cidr = "10.32.0.0/20" } }
  }

  expect_failures = [var.vpcs]
}

run "an_unknown_owner_is_refused" {
  command = plan

  variables {
    services = {
      ingest = {
        owner   = "team-x"
        target  = { type = "LAMBDA" }
        rules   = { events = { priority = 10, method = "POST", path_prefix = "/v1/events" } }
        callers = { team-b = { roles = ["minilab-dev-x"], methods = ["POST"], paths = ["/v1/events"] } }
      }
    }
  }

  expect_failures = [var.services]
}

run "an_unknown_caller_is_refused" {
  command = plan

  variables {
    services = {
      ingest = {
        owner   = "team-a"
        target  = { type = "LAMBDA" }
        rules   = { events = { priority = 10, method = "POST", path_prefix = "/v1/events" } }
        callers = { team-x = { roles = ["minilab-dev-x"], methods = ["POST"], paths = ["/v1/events"] } }
      }
    }
  }

  expect_failures = [var.services]
}

run "the_owner_as_caller_is_refused" {
  command = plan

  variables {
    services = {
      ingest = {
        owner   = "team-a"
        target  = { type = "LAMBDA" }
        rules   = { events = { priority = 10, method = "POST", path_prefix = "/v1/events" } }
        callers = { team-a = { roles = ["minilab-dev-x"], methods = ["POST"], paths = ["/v1/events"] } }
      }
    }
  }

  expect_failures = [var.services]
}
