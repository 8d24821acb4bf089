mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                  = "minilab-dev"
  trail_arn             = "arn:aws:cloudtrail:eu-central-1:111111111111:trail/minilab-dev"
  bucket_name           = "minilab-dev-audit-222222222222"
  kms_key_arn           = "arn:aws:kms:eu-central-1:222222222222:key/00000000-0000-0000-0000-000000000000"
  log_group_kms_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
}

run "it_is_of_all_accounts_and_regions_encrypted_and_validated" {
  command = apply

  assert {
    condition     = aws_cloudtrail.this.is_organization_trail && aws_cloudtrail.this.is_multi_region_trail && aws_cloudtrail.this.include_global_service_events
    error_message = "Something happens unseen."
  }

  assert {
    condition     = aws_cloudtrail.this.enable_log_file_validation
    error_message = "A changed log file would not be noticed."
  }

  assert {
    condition     = aws_cloudtrail.this.kms_key_id == var.kms_key_arn
    error_message = "The log is encrypted by another key."
  }

  assert {
    condition     = aws_cloudtrail.this.name == "minilab-dev"
    error_message = "The trail would have another ARN than the bucket expects."
  }

  assert {
    condition     = jsondecode(aws_iam_role.to_log_group.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceArn"] == var.trail_arn
    error_message = "Another trail could use the role."
  }
}

run "a_key_without_an_account_is_refused" {
  command = plan

  variables {
    kms_key_arn = "alias/minilab-dev"
  }

  expect_failures = [var.kms_key_arn]
}

run "a_key_alias_for_the_log_group_is_refused" {
  command = plan

  variables {
    log_group_kms_key_arn = "alias/minilab-dev"
  }

  expect_failures = [var.log_group_kms_key_arn]
}

run "a_trail_that_is_none_is_refused" {
  command = plan

  variables {
    trail_arn = "minilab-dev"
  }

  expect_failures = [var.trail_arn]
}
