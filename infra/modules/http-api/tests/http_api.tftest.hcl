mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name            = "minilab-dev-orders"
  description     = "Takes orders."
  function        = { name = "minilab-dev-orders", invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111111111111:function:minilab-dev-orders/invocations" }
  throttling      = { rate = 500, burst = 1000 }
  log_kms_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
}

run "throttled_logged_and_for_this_api_only" {
  command = apply

  assert {
    condition     = one(aws_apigatewayv2_stage.default.default_route_settings).throttling_rate_limit == 500 && one(aws_apigatewayv2_stage.default.default_route_settings).throttling_burst_limit == 1000
    error_message = "Anyone may send as much as he likes."
  }

  assert {
    condition     = contains(keys(jsondecode(one(aws_apigatewayv2_stage.default.access_log_settings).format)), "requestId")
    error_message = "A request cannot be found in the log."
  }

  assert {
    condition     = !can(regex("authorization|body", lower(one(aws_apigatewayv2_stage.default.access_log_settings).format)))
    error_message = "Keys or payloads are logged."
  }

  assert {
    condition     = aws_lambda_permission.this.source_arn == "${aws_apigatewayv2_api.this.execution_arn}/*"
    error_message = "Other APIs may call the function."
  }

  assert {
    condition     = aws_apigatewayv2_integration.this.payload_format_version == "2.0"
    error_message = "The handler reads payload format 2.0."
  }
}

run "no_limit_is_refused" {
  command = plan

  variables {
    throttling = { rate = 0, burst = 0 }
  }

  expect_failures = [var.throttling]
}

run "a_wait_longer_than_api_gateways_is_refused" {
  command = plan

  variables {
    timeout_seconds = 30
  }

  expect_failures = [var.timeout_seconds]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "orders"
  }

  expect_failures = [var.name]
}
