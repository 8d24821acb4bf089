mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name            = "minilab-dev"
  instance_type   = "kafka.m7g.large"
  storage_gb      = 100
  network         = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2", "subnet-3"] }
  writers         = { Processor = { account_id = "222222222222", roles = ["minilab-dev-processor"], topics = ["minilab-dev-product"] } }
  kms_key_arn     = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  log_kms_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
}

run "iam_over_tls_and_one_writer" {
  command = apply

  assert {
    condition     = one(aws_msk_cluster.this.client_authentication).unauthenticated == false && one(one(aws_msk_cluster.this.client_authentication).sasl).iam
    error_message = "Anyone may come, or IAM does not decide."
  }

  assert {
    condition     = one(one(aws_msk_cluster.this.encryption_info).encryption_in_transit).client_broker == "TLS" && one(aws_msk_cluster.this.encryption_info).encryption_at_rest_kms_key_arn == var.kms_key_arn
    error_message = "It is not encrypted on the way, or not with our key at rest."
  }

  assert {
    condition     = one(one(one(aws_msk_cluster.this.broker_node_group_info).connectivity_info).public_access).type == "DISABLED"
    error_message = "Brokers have public addresses."
  }

  assert {
    condition     = [for statement in jsondecode(aws_msk_cluster_policy.this[0].policy).Statement : statement.Sid] == ["ProcessorConnects", "ProcessorWrites", "ProcessorsAccountJoins"]
    error_message = "The policy is not the one declared."
  }

  assert {
    condition     = jsondecode(aws_msk_cluster_policy.this[0].policy).Statement[1].Resource == ["arn:aws:kafka:eu-central-1:111111111111:topic/minilab-dev/*/minilab-dev-product"]
    error_message = "The writer reaches other topics."
  }

  assert {
    condition     = strcontains(aws_msk_configuration.this.server_properties, "auto.create.topics.enable=false")
    error_message = "A wrong name makes a topic."
  }
}

run "a_broker_that_others_cannot_reach_is_refused" {
  command = plan

  variables {
    instance_type = "kafka.t3.small"
  }

  expect_failures = [var.instance_type]
}

run "two_zones_are_refused" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"] }
  }

  expect_failures = [var.network]
}

run "a_writer_to_every_topic_is_refused" {
  command = plan

  variables {
    writers = { Processor = { account_id = "222222222222", roles = ["minilab-dev-processor"], topics = ["*"] } }
  }

  expect_failures = [var.writers]
}

run "no_storage_is_refused" {
  command = plan

  variables {
    storage_gb = 0
  }

  expect_failures = [var.storage_gb]
}
