mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name            = "minilab-dev"
  bucket_name     = "minilab-dev-audit-222222222222"
  organization_id = "o-a1b2c3d4e5"
  trail_arn       = "arn:aws:cloudtrail:eu-central-1:111111111111:trail/minilab-dev"
}

run "one_trail_may_write_and_nobody_else" {
  command = apply

  assert {
    condition     = module.bucket.name == "minilab-dev-audit-222222222222"
    error_message = "The bucket has another name."
  }

  assert {
    condition     = output.kms_key_arn == module.key.arn
    error_message = "The key is another one."
  }
}

run "a_trail_that_is_none_is_refused" {
  command = plan

  variables {
    trail_arn = "minilab-dev"
  }

  expect_failures = [var.trail_arn]
}

run "an_organization_that_is_none_is_refused" {
  command = plan

  variables {
    organization_id = "111111111111"
  }

  expect_failures = [var.organization_id]
}

run "expiry_while_locked_is_refused" {
  command = plan

  variables {
    lock_days          = 365
    archive_after_days = 90
    expire_after_days  = 180
  }

  expect_failures = [var.expire_after_days]
}

run "a_prefix_of_another_form_is_refused" {
  command = plan

  variables {
    name = "dev"
  }

  expect_failures = [var.name]
}
