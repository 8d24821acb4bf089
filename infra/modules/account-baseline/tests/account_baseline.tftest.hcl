mock_provider "aws" {
  source = "../../mocks"
}

variables {
  management_account_id = "111111111111"
}

run "nothing_public_and_no_use_for_internet_gateways" {
  command = plan

  assert {
    condition     = aws_s3_account_public_access_block.this.block_public_acls && aws_s3_account_public_access_block.this.block_public_policy && aws_s3_account_public_access_block.this.ignore_public_acls && aws_s3_account_public_access_block.this.restrict_public_buckets
    error_message = "Something in S3 could become public."
  }

  assert {
    condition     = aws_vpc_block_public_access_options.this.internet_gateway_block_mode == "block-bidirectional"
    error_message = "The default VPC's internet gateway works."
  }

  assert {
    condition     = aws_ebs_encryption_by_default.this.enabled
    error_message = "Volumes are not encrypted by themselves."
  }

  assert {
    condition     = jsondecode(local.trust["apply"]).Statement[0].Condition.ArnEquals["aws:PrincipalArn"] == "arn:aws:iam::111111111111:role/minilab-terraform-apply"
    error_message = "Another role could apply here."
  }
}

run "the_management_account_keeps_its_roles" {
  command = plan

  variables {
    terraform_roles = false
  }

  assert {
    condition     = length(module.terraform_roles) == 0 && output.terraform_role_arns == null
    error_message = "The roles would be made twice."
  }
}

run "an_id_that_is_none_is_refused" {
  command = plan

  variables {
    management_account_id = "management"
  }

  expect_failures = [var.management_account_id]
}
