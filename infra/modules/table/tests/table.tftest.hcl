mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name          = "minilab-dev-stream-counters"
  partition_key = "counter"
  sort_key      = "period"
  time_to_live  = "expires_at"
  kms_key_arn   = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  grants = {
    Processor = { account_id = "222222222222", roles = ["minilab-dev-processor"], actions = ["dynamodb:UpdateItem"] }
  }
}

run "on_demand_recoverable_and_encrypted" {
  command = apply

  assert {
    condition     = aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST" && one(aws_dynamodb_table.this.point_in_time_recovery).enabled
    error_message = "It has a capacity to guess, or cannot be restored."
  }

  assert {
    condition     = one(aws_dynamodb_table.this.server_side_encryption).kms_key_arn == var.kms_key_arn
    error_message = "It is not encrypted with our key."
  }

  assert {
    condition     = sort([for attribute in aws_dynamodb_table.this.attribute : attribute.name]) == tolist(["counter", "period"])
    error_message = "Only keys are declared, and both of them."
  }

  assert {
    condition     = one(aws_dynamodb_table.this.ttl).attribute_name == "expires_at" && one(aws_dynamodb_table.this.ttl).enabled
    error_message = "Items do not expire."
  }

  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled
    error_message = "It can be deleted by mistake."
  }

  assert {
    condition     = jsondecode(aws_dynamodb_resource_policy.this[0].policy).Statement[0].Condition == { ArnEquals = { "aws:PrincipalArn" = ["arn:aws:iam::222222222222:role/minilab-dev-processor"] } }
    error_message = "The whole account is let in."
  }
}

run "a_key_alone_and_nobody_else" {
  command = plan

  variables {
    sort_key     = null
    time_to_live = null
    grants       = {}
  }

  assert {
    condition     = length(aws_dynamodb_table.this.attribute) == 1 && length(aws_dynamodb_resource_policy.this) == 0
    error_message = "It has another key, or somebody is let in."
  }
}

run "every_action_is_refused" {
  command = plan

  variables {
    grants = { All = { account_id = "222222222222", roles = ["minilab-dev-x"], actions = ["dynamodb:*"] } }
  }

  expect_failures = [var.grants]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "tenants"
  }

  expect_failures = [var.name]
}

run "an_alias_for_a_key_is_refused" {
  command = plan

  variables {
    kms_key_arn = "alias/aws/dynamodb"
  }

  expect_failures = [var.kms_key_arn]
}
