mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "minilab-dev-orders"
  description = "Takes orders."
  package = {
    file             = "orders.zip"
    source_code_hash = "hash"
    handler          = "orders.handler"
    runtime          = "python3.12"
    architecture     = "arm64"
  }
  environment             = { MINILAB_ENV = "dev" }
  environment_kms_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  log_kms_key_arn         = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  timeout_seconds         = 10
  network                 = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
  statements              = "[{\"Sid\": \"Send\", \"Effect\": \"Allow\", \"Action\": \"sqs:SendMessage\", \"Resource\": \"arn:aws:sqs:eu-central-1:111111111111:q\"}]"
}

run "a_role_of_its_own_with_what_is_declared" {
  command = apply

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Sid] == ["Log", "Trace", "JoinVpc", "NotTheCodeItself", "Send"]
    error_message = "The role may do more, or less."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[3].Action == jsondecode(aws_iam_role_policy.this.policy).Statement[2].Action
    error_message = "The code may do in the VPC what only Lambda should."
  }

  assert {
    condition     = aws_lambda_function.this.source_code_hash == "hash" && aws_lambda_function.this.handler == "orders.handler" && aws_lambda_function.this.architectures == tolist(["arm64"])
    error_message = "Another package runs."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/minilab-dev-orders" && aws_cloudwatch_log_group.this.kms_key_id == var.log_kms_key_arn
    error_message = "Logs go elsewhere, or are not encrypted with our key."
  }
}

run "with_a_role_made_elsewhere_it_has_no_other" {
  command = apply

  variables {
    role = { name = "minilab-dev-shared", arn = "arn:aws:iam::111111111111:role/minilab-dev-shared" }
  }

  assert {
    condition     = length(aws_iam_role.this) == 0 && aws_iam_role_policy.this.role == "minilab-dev-shared" && aws_lambda_function.this.role == "arn:aws:iam::111111111111:role/minilab-dev-shared"
    error_message = "It runs with another role, or that one may not do what is declared."
  }
}

run "a_whole_service_is_refused" {
  command = plan

  variables {
    statements = "[{\"Sid\": \"All\", \"Effect\": \"Allow\", \"Action\": \"sqs:*\", \"Resource\": \"*\"}]"
  }

  expect_failures = [var.statements]
}

run "a_statement_without_a_name_is_refused" {
  command = plan

  variables {
    statements = "[{\"Effect\": \"Allow\", \"Action\": \"sqs:SendMessage\", \"Resource\": \"*\"}]"
  }

  expect_failures = [var.statements]
}

run "one_subnet_is_refused" {
  command = plan

  variables {
    network = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.network]
}

run "a_timeout_beyond_lambdas_is_refused" {
  command = plan

  variables {
    timeout_seconds = 901
  }

  expect_failures = [var.timeout_seconds]
}

run "an_unknown_architecture_is_refused" {
  command = plan

  variables {
    package = {
      file             = "orders.zip"
      source_code_hash = "hash"
      handler          = "orders.handler"
      runtime          = "python3.12"
      architecture     = "riscv"
    }
  }

  expect_failures = [var.package]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "orders"
  }

  expect_failures = [var.name]
}
