mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "minilab-dev-orders-111111111111"
  kms_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
}

run "it_is_private_encrypted_and_versioned" {
  command = plan

  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.ignore_public_acls && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "The bucket could become public."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn
    error_message = "Objects are not encrypted by the key that was given."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "A deleted object would be gone."
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.this.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "Others could own objects in it."
  }

  assert {
    condition     = jsondecode(aws_s3_bucket_policy.this.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "It could be read over plain HTTP."
  }

  assert {
    condition     = length(aws_s3_bucket_object_lock_configuration.this) == 0
    error_message = "It is locked without being asked to."
  }
}

run "it_locks_and_archives_when_asked" {
  command = plan

  variables {
    object_lock        = { mode = "COMPLIANCE", days = 30 }
    archive_after_days = 90
    expire_after_days  = 400
  }

  assert {
    condition     = one(one(aws_s3_bucket_object_lock_configuration.this[0].rule).default_retention).days == 30
    error_message = "Objects are not locked for 30 days."
  }

  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration).days == 400
    error_message = "Objects do not expire after 400 days."
  }

  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.this.rule[0].transition).days == 90
    error_message = "Objects are not archived after 90 days."
  }
}

run "further_statements_join_the_policy" {
  command = plan

  variables {
    extra_statements = jsonencode([{ Sid = "Other", Effect = "Deny", Principal = "*", Action = "s3:DeleteObject", Resource = "arn:aws:s3:::minilab-dev-orders-111111111111/*" }])
  }

  assert {
    condition     = [for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement.Sid] == ["OnlyOverTls", "Other"]
    error_message = "The policy is not the two statements."
  }
}

run "an_alias_for_a_key_is_refused" {
  command = plan

  variables {
    kms_key_arn = "alias/aws/s3"
  }

  expect_failures = [var.kms_key_arn]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "My_Bucket"
  }

  expect_failures = [var.name]
}

run "an_unknown_lock_is_refused" {
  command = plan

  variables {
    object_lock = { mode = "SOFT", days = 1 }
  }

  expect_failures = [var.object_lock]
}

run "a_lock_of_no_days_is_refused" {
  command = plan

  variables {
    object_lock = { mode = "GOVERNANCE", days = 0 }
  }

  expect_failures = [var.object_lock]
}

run "expiry_before_archiving_is_refused" {
  command = plan

  variables {
    archive_after_days = 90
    expire_after_days  = 30
  }

  expect_failures = [var.expire_after_days]
}

run "statements_that_are_no_list_are_refused" {
  command = plan

  variables {
    extra_statements = "{\"Effect\": \"Allow\"}"
  }

  expect_failures = [var.extra_statements]
}

run "no_days_for_old_versions_is_refused" {
  command = plan

  variables {
    noncurrent_days = 0
  }

  expect_failures = [var.noncurrent_days]
}

run "what_lies_below_a_prefix_expires" {
  command = plan

  variables {
    expire_prefixes = { "claims/" = 35 }
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : [one(rule.filter).prefix, one(rule.expiration).days] if rule.id == "expire-claims"] == [["claims/", 35]]
    error_message = "Claims do not expire, or other things do."
  }
}

run "a_prefix_that_is_none_is_refused" {
  command = plan

  variables {
    expire_prefixes = { "claims" = 35 }
  }

  expect_failures = [var.expire_prefixes]
}
