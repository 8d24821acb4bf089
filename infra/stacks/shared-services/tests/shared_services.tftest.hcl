mock_provider "aws" {
  source = "../../mocks"
}

mock_provider "aws" {
  alias  = "shared_services"
  source = "../../mocks"
}

variables {
  environment = "dev"
  region      = "eu-central-1"
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

run "what_the_contracts_and_tables_say" {
  command = apply

  assert {
    condition     = output.queue_names == { billing = "minilab-dev-billing", webhooks = "minilab-dev-webhooks" }
    error_message = "The queues are not those of contracts/streams.yaml."
  }

  assert {
    condition     = keys(module.table) == ["landing-ledger"]
    error_message = "The tables are not those whose home is shared."
  }

  assert {
    condition = output.environment == {
      MINILAB_ENV               = "dev"
      MINILAB_LAKE_BUCKET       = "minilab-dev-lake-333333333333"
      MINILAB_RESULTS_BUCKET    = "minilab-dev-athena-results-333333333333"
      MINILAB_INGESTION_ACCOUNT = "555555555555"
    }
    error_message = "Programs would look elsewhere."
  }
}

run "with_kafka_for_the_processor" {
  command = apply

  variables {
    kafka = { instance_type = "kafka.m7g.large", storage_gb = 100 }
  }

  assert {
    condition     = output.environment.MINILAB_KAFKA_SECURITY == "MSK_IAM" && can(output.environment.MINILAB_KAFKA_BOOTSTRAP_SERVERS)
    error_message = "Programs would not find Kafka."
  }
}
