mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name            = "minilab-dev-dagster"
  database        = "dagster"
  username        = "dagster"
  kms_key_arn     = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  log_kms_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  network         = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"] }
}

run "encrypted_private_backed_up_and_kept" {
  command = apply

  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.kms_key_arn && aws_db_instance.this.master_user_secret_kms_key_id == var.kms_key_arn
    error_message = "Storage or password is not encrypted with our key."
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "Terraform would know the password."
  }

  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.vpc_security_group_ids == toset([aws_security_group.instance.id])
    error_message = "Others reach it."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 14 && aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.delete_automated_backups
    error_message = "It could be lost."
  }

  assert {
    condition     = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value }["rds.force_ssl"] == "1"
    error_message = "It takes connections without TLS."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.instance.referenced_security_group_id == aws_security_group.client.id && aws_vpc_security_group_ingress_rule.instance.from_port == 5432 && aws_vpc_security_group_ingress_rule.instance.to_port == 5432
    error_message = "Others than its clients come in, or by other ports."
  }
}

run "without_protection_nothing_stays" {
  command = plan

  variables {
    deletion_protection = false
  }

  assert {
    condition     = !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.delete_automated_backups
    error_message = "An environment that is thrown away leaves something behind."
  }
}

run "no_backups_are_refused" {
  command = plan

  variables {
    backup_days = 0
  }

  expect_failures = [var.backup_days]
}

run "one_zone_is_refused" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"] }
  }

  expect_failures = [var.network]
}

run "storage_that_cannot_grow_is_refused" {
  command = plan

  variables {
    storage_gb = { initial = 20, maximum = 20 }
  }

  expect_failures = [var.storage_gb]
}

run "an_old_version_is_refused" {
  command = plan

  variables {
    engine_version = "12"
  }

  expect_failures = [var.engine_version]
}

run "a_user_of_rds_is_refused" {
  command = plan

  variables {
    username = "postgres"
  }

  expect_failures = [var.username]
}

run "an_alias_for_a_key_is_refused" {
  command = plan

  variables {
    kms_key_arn = "alias/aws/rds"
  }

  expect_failures = [var.kms_key_arn]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "dagster"
  }

  expect_failures = [var.name]
}
