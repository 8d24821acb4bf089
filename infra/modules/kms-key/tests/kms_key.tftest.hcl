mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "minilab-dev-orders"
  description = "Orders."
}

run "the_account_owns_the_key_and_it_rotates" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key does not rotate."
  }

  assert {
    condition     = jsondecode(aws_kms_key.this.policy).Statement[0].Principal.AWS == "arn:aws:iam::111111111111:root"
    error_message = "Nobody could manage the key."
  }

  assert {
    condition     = length(jsondecode(aws_kms_key.this.policy).Statement) == 1
    error_message = "Someone else may use the key."
  }
}

run "a_service_gets_what_it_is_given" {
  command = plan

  variables {
    services = {
      Logs = {
        principal  = "logs.eu-central-1.amazonaws.com"
        actions    = ["kms:Decrypt*"]
        conditions = { ArnEquals = { "kms:EncryptionContext:aws:logs:arn" = ["arn:aws:logs:eu-central-1:111111111111:log-group:x"] } }
      }
    }
  }

  assert {
    condition = jsondecode(aws_kms_key.this.policy).Statement[1] == {
      Sid       = "Logs"
      Effect    = "Allow"
      Principal = { Service = "logs.eu-central-1.amazonaws.com" }
      Action    = ["kms:Decrypt*"]
      Resource  = "*"
      Condition = { ArnEquals = { "kms:EncryptionContext:aws:logs:arn" = ["arn:aws:logs:eu-central-1:111111111111:log-group:x"] } }
    }
    error_message = "The service's statement is not what was asked for."
  }
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "Orders"
  }

  expect_failures = [var.name]
}

run "a_service_without_a_condition_is_refused" {
  command = plan

  variables {
    services = {
      Logs = { principal = "logs.amazonaws.com", actions = ["kms:Decrypt"], conditions = {} }
    }
  }

  expect_failures = [var.services]
}

run "a_service_with_every_action_is_refused" {
  command = plan

  variables {
    services = {
      Logs = {
        principal  = "logs.amazonaws.com"
        actions    = ["kms:*"]
        conditions = { StringEquals = { "aws:SourceAccount" = ["111111111111"] } }
      }
    }
  }

  expect_failures = [var.services]
}

run "a_deletion_window_that_kms_does_not_know_is_refused" {
  command = plan

  variables {
    deletion_window_in_days = 3
  }

  expect_failures = [var.deletion_window_in_days]
}

run "roles_of_another_account_by_name" {
  command = apply

  variables {
    grants = { Processor = { account_id = "222222222222", roles = ["minilab-dev-processor"], actions = ["kms:Decrypt"] } }
  }

  assert {
    condition = [for statement in jsondecode(aws_kms_key.this.policy).Statement : statement if statement.Sid == "Processor"] == [{
      Sid       = "Processor"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::222222222222:root" }
      Action    = ["kms:Decrypt"]
      Resource  = "*"
      Condition = { ArnEquals = { "aws:PrincipalArn" = ["arn:aws:iam::222222222222:role/minilab-dev-processor"] } }
    }]
    error_message = "Others may use the key, or the role may not."
  }
}

run "every_role_of_an_account_is_refused" {
  command = plan

  variables {
    grants = { All = { account_id = "222222222222", roles = ["*"], actions = ["kms:Decrypt"] } }
  }

  expect_failures = [var.grants]
}

run "every_action_for_another_account_is_refused" {
  command = plan

  variables {
    grants = { All = { account_id = "222222222222", roles = ["minilab-dev-x"], actions = ["kms:*"] } }
  }

  expect_failures = [var.grants]
}
