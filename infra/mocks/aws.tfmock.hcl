# What AWS would answer, for `terraform test`: the provider checks the form of ARNs and policies.

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "111111111111"
    arn        = "arn:aws:iam::111111111111:role/terraform"
  }
}

mock_data "aws_partition" {
  defaults = {
    partition  = "aws"
    dns_suffix = "amazonaws.com"
  }
}

mock_data "aws_region" {
  defaults = {
    name = "eu-central-1"
  }
}

mock_data "aws_ec2_managed_prefix_list" {
  defaults = {
    id = "pl-0123456789abcdef0"
  }
}

mock_data "aws_organizations_organization" {
  defaults = {
    id                = "o-a1b2c3d4e5"
    master_account_id = "111111111111"
    roots             = [{ id = "r-abcd" }]
    non_master_accounts = [
      { id = "222222222222", name = "log-archive", status = "ACTIVE" },
      { id = "333333333333", name = "shared-services", status = "ACTIVE" },
      { id = "444444444444", name = "analytics", status = "ACTIVE" },
      { id = "555555555555", name = "team-a", status = "ACTIVE" },
      { id = "666666666666", name = "team-b", status = "ACTIVE" },
      { id = "777777777777", name = "team-gone", status = "SUSPENDED" },
    ]
  }
}

mock_data "aws_organizations_organizational_units" {
  defaults = {
    children = [
      { id = "ou-abcd-11111111", name = "Infrastructure", arn = "arn:aws:organizations::111111111111:ou/o-a1b2c3d4e5/ou-abcd-11111111" },
      { id = "ou-abcd-22222222", name = "Workloads", arn = "arn:aws:organizations::111111111111:ou/o-a1b2c3d4e5/ou-abcd-22222222" },
    ]
  }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = {
    arn = "arn:aws:logs:eu-central-1:111111111111:log-group:mocked"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::111111111111:role/mocked"
  }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn    = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
    key_id = "00000000-0000-0000-0000-000000000000"
  }
}

mock_resource "aws_organizations_organization" {
  defaults = {
    id                = "o-a1b2c3d4e5"
    master_account_id = "111111111111"
    roots             = [{ id = "r-abcd" }]
  }
}

mock_resource "aws_ram_resource_share" {
  defaults = {
    arn = "arn:aws:ram:eu-central-1:111111111111:resource-share/00000000-0000-0000-0000-000000000000"
  }
}

mock_resource "aws_sns_topic" {
  defaults = {
    arn = "arn:aws:sns:eu-central-1:111111111111:mocked"
  }
}

mock_resource "aws_vpclattice_service" {
  defaults = {
    arn = "arn:aws:vpc-lattice:eu-central-1:111111111111:service/svc-00000000000000000"
    id  = "svc-00000000000000000"
  }
}

mock_resource "aws_vpclattice_service_network" {
  defaults = {
    arn = "arn:aws:vpc-lattice:eu-central-1:111111111111:servicenetwork/sn-00000000000000000"
    id  = "sn-00000000000000000"
  }
}

mock_resource "aws_organizations_organizational_unit" {
  defaults = {
    id  = "ou-abcd-11111111"
    arn = "arn:aws:organizations::111111111111:ou/o-a1b2c3d4e5/ou-abcd-11111111"
  }
}

mock_resource "aws_apigatewayv2_api" {
  defaults = {
    execution_arn = "arn:aws:execute-api:eu-central-1:111111111111:a1b2c3d4e5"
    api_endpoint  = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
  }
}

mock_resource "aws_dynamodb_table" {
  defaults = {
    arn = "arn:aws:dynamodb:eu-central-1:111111111111:table/mocked"
  }
}

mock_resource "aws_lambda_function" {
  defaults = {
    arn        = "arn:aws:lambda:eu-central-1:111111111111:function:mocked"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111111111111:function:mocked/invocations"
  }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:eu-central-1:111111111111:mocked"
    url = "https://sqs.eu-central-1.amazonaws.com/111111111111/mocked"
  }
}

mock_data "aws_subnets" {
  defaults = {
    ids = ["subnet-11111111111111111", "subnet-22222222222222222", "subnet-33333333333333333"]
  }
}

mock_resource "aws_db_instance" {
  defaults = {
    address = "mocked.eu-central-1.rds.amazonaws.com"
    master_user_secret = [
      {
        secret_arn = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:mocked-a1b2c3"
      }
    ]
  }
}

mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:eu-central-1:111111111111:repository/mocked"
    repository_url = "111111111111.dkr.ecr.eu-central-1.amazonaws.com/mocked"
  }
}

mock_resource "aws_ecs_cluster" {
  defaults = {
    arn = "arn:aws:ecs:eu-central-1:111111111111:cluster/mocked"
  }
}

mock_resource "aws_ecs_task_definition" {
  defaults = {
    arn = "arn:aws:ecs:eu-central-1:111111111111:task-definition/mocked:1"
  }
}

mock_resource "aws_service_discovery_service" {
  defaults = {
    arn = "arn:aws:servicediscovery:eu-central-1:111111111111:service/srv-mocked"
  }
}

mock_data "aws_kms_alias" {
  defaults = {
    target_key_arn = "arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-000000000000"
  }
}

mock_resource "aws_athena_data_catalog" {
  defaults = {
    arn = "arn:aws:athena:eu-central-1:111111111111:datacatalog/mocked"
  }
}

mock_resource "aws_athena_workgroup" {
  defaults = {
    arn = "arn:aws:athena:eu-central-1:111111111111:workgroup/mocked"
  }
}

mock_data "aws_msk_cluster" {
  defaults = {
    arn = "arn:aws:kafka:eu-central-1:333333333333:cluster/mocked/00000000-0000-0000-0000-000000000000-1"
  }
}

mock_resource "aws_msk_cluster" {
  defaults = {
    arn = "arn:aws:kafka:eu-central-1:333333333333:cluster/mocked/00000000-0000-0000-0000-000000000000-1"
  }
}

mock_resource "aws_msk_configuration" {
  defaults = {
    arn             = "arn:aws:kafka:eu-central-1:333333333333:configuration/mocked/00000000-0000-0000-0000-000000000000-1"
    latest_revision = 1
  }
}

mock_data "aws_apigatewayv2_apis" {
  defaults = {
    ids = ["a1b2c3d4e5"]
  }
}

mock_resource "aws_cloudwatch_composite_alarm" {
  defaults = {
    arn = "arn:aws:cloudwatch:eu-central-1:111111111111:alarm:mocked"
  }
}

mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = {
    arn = "arn:aws:cloudwatch:eu-central-1:111111111111:alarm:mocked"
  }
}

mock_resource "aws_oam_sink" {
  defaults = {
    arn = "arn:aws:oam:eu-central-1:111111111111:sink/00000000-0000-0000-0000-000000000000"
  }
}
