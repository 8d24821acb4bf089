mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "minilab-dev-analysts"
  description         = "People who ask."
  output_location     = "s3://minilab-dev-results/query/"
  kms_key_arn         = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  gigabytes_per_query = 100
}

run "limited_and_enforced" {
  command = plan

  assert {
    condition     = one(aws_athena_workgroup.this.configuration).enforce_workgroup_configuration
    error_message = "A client may write its results elsewhere."
  }

  assert {
    condition     = one(aws_athena_workgroup.this.configuration).bytes_scanned_cutoff_per_query == 107374182400
    error_message = "A query may scan more, or less."
  }

  assert {
    condition     = one(one(one(aws_athena_workgroup.this.configuration).result_configuration).encryption_configuration).kms_key_arn == var.kms_key_arn
    error_message = "Results are not encrypted with our key."
  }
}

run "no_limit_is_refused" {
  command = plan

  variables {
    gigabytes_per_query = 0
  }

  expect_failures = [var.gigabytes_per_query]
}

run "a_whole_bucket_is_refused" {
  command = plan

  variables {
    output_location = "s3://minilab-dev-results"
  }

  expect_failures = [var.output_location]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "primary"
  }

  expect_failures = [var.name]
}
