# The lake's catalog, in the account of the lake, and those who ask it, in an account of their own
# (docs/decisions/0010). Runs in the management account and reaches shared-services and analytics.

data "aws_partition" "current" {}

module "accounts" {
  source = "../../modules/organization-accounts"

  required = ["shared-services", "analytics"]
}

locals {
  name        = "minilab-${var.environment}"
  partition   = data.aws_partition.current.partition
  account_ids = module.accounts.ids
  role_arns   = { for name, id in local.account_ids : name => "arn:${local.partition}:iam::${id}:role/${var.role_name}" }

  shared         = local.account_ids["shared-services"]
  lake_bucket    = "${local.name}-lake-${local.shared}"
  results_bucket = "${local.name}-athena-results-${local.shared}"
  analyst_role   = "arn:${local.partition}:iam::${local.account_ids["analytics"]}:role/${local.name}-analyst"
  answers_bucket = "${local.name}-answers-${local.account_ids["analytics"]}"

  # As minilab.settings names them.
  databases = {
    raw     = "Events as they arrived, and events that failed"
    staging = "Events typed, one row each (dbt)"
    marts   = "What people ask for (dbt)"
  }

  # What minilab.lake.tables says, as infra/tools/raw_tables.py wrote it down.
  raw_tables = jsondecode(file("${path.module}/../../generated/raw_tables.json"))

  glue           = "arn:${local.partition}:glue:${var.region}:${local.shared}"
  databases_read = concat(["${local.glue}:catalog"], [for name in ["staging", "marts"] : "${local.glue}:database/${var.database_prefix}_${name}"])
  tables_read    = concat(local.databases_read, [for name in ["staging", "marts"] : "${local.glue}:table/${var.database_prefix}_${name}/*"])

  # What Athena asks Glue for on an analyst's behalf. No table of theirs has partitions in Glue: all are Iceberg's.
  reads = {
    Databases = { Action = ["glue:GetDatabase", "glue:GetDatabases"], Resource = local.databases_read }
    Tables    = { Action = ["glue:GetTable", "glue:GetTables"], Resource = local.tables_read }
  }
}

# --- the catalog ---------------------------------------------------------------------------------

resource "aws_glue_catalog_database" "this" {
  for_each = local.databases

  name        = "${var.database_prefix}_${each.key}"
  description = each.value

  provider = aws.shared_services
}

module "raw_table" {
  source   = "../../modules/raw-table"
  for_each = local.raw_tables

  name          = each.key
  table         = each.value
  database_name = aws_glue_catalog_database.this["raw"].name
  bucket        = local.lake_bucket

  providers = { aws = aws.shared_services }
}

resource "aws_glue_resource_policy" "this" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for name, read in local.reads : merge(read, {
        Sid       = "AnalystsRead${name}"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_ids["analytics"]}:root" }
        Condition = { ArnEquals = { "aws:PrincipalArn" = [local.analyst_role] } }
      })
    ]
  })

  provider = aws.shared_services
}

# --- who works on the lake: dbt and Dagster ------------------------------------------------------

data "aws_kms_alias" "lake" {
  name = "alias/${local.name}-lake"

  provider = aws.shared_services
}

module "workgroup" {
  source = "../../modules/athena-workgroup"

  name                = local.name
  description         = "dbt and Dagster."
  output_location     = "s3://${local.results_bucket}/query/"
  kms_key_arn         = data.aws_kms_alias.lake.target_key_arn
  gigabytes_per_query = var.gigabytes_per_query

  providers = { aws = aws.shared_services }
}

# --- who asks ------------------------------------------------------------------------------------

module "answers_key" {
  source = "../../modules/kms-key"

  name        = "${local.name}-answers"
  description = "Results of analysts' queries."

  providers = { aws = aws.analytics }
}

module "answers" {
  source = "../../modules/private-bucket"

  name              = local.answers_bucket
  kms_key_arn       = module.answers_key.arn
  expire_after_days = 30
  noncurrent_days   = 1

  providers = { aws = aws.analytics }
}

module "analysts" {
  source = "../../modules/athena-workgroup"

  name                = "${local.name}-analysts"
  description         = "People who ask what the marts know."
  output_location     = "s3://${module.answers.name}/query/"
  kms_key_arn         = module.answers_key.arn
  gigabytes_per_query = var.gigabytes_per_question

  providers = { aws = aws.analytics }
}

# The lake's catalog under a name: select … from minilab.minilab_marts.…
resource "aws_athena_data_catalog" "lake" {
  name        = "minilab"
  description = "The lake's catalog, in shared services."
  type        = "GLUE"
  parameters  = { "catalog-id" = local.shared }

  provider = aws.analytics
}

resource "aws_iam_role" "analyst" {
  name        = "${local.name}-analyst"
  description = "Asks Athena for what staging and marts hold, and changes nothing."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "PeopleOfThisAccount"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_ids["analytics"]}:root" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:PrincipalOrgID" = module.accounts.organization_id } }
      },
    ]
  })

  provider = aws.analytics
}

resource "aws_iam_role_policy" "analyst" {
  name = "ask"
  role = aws_iam_role.analyst.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([for name, read in local.reads : merge(read, { Sid = "Read${name}", Effect = "Allow" })], [
      {
        Sid      = "Ask"
        Effect   = "Allow"
        Action   = ["athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetWorkGroup", "athena:StartQueryExecution", "athena:StopQueryExecution"]
        Resource = module.analysts.arn
      },
      {
        Sid      = "FindCatalog"
        Effect   = "Allow"
        Action   = "athena:GetDataCatalog"
        Resource = aws_athena_data_catalog.lake.arn
      },
      {
        Sid      = "ReadLake"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:${local.partition}:s3:::${local.lake_bucket}/warehouse/*"
      },
      {
        Sid      = "FindInLake"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket"]
        Resource = "arn:${local.partition}:s3:::${local.lake_bucket}"
      },
      {
        Sid       = "LakeKey"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = "arn:${local.partition}:kms:${var.region}:${local.shared}:key/*"
        Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/${local.name}-lake" } }
      },
      {
        Sid      = "KeepAnswers"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
        Resource = "${module.answers.arn}/query/*"
      },
      {
        Sid      = "FindAnswers"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket"]
        Resource = module.answers.arn
      },
      {
        Sid      = "AnswersKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = module.answers_key.arn
      },
      {
        # Which service, and what of it, the network and the service itself say (network.tfvars).
        Sid      = "OpenDagster"
        Effect   = "Allow"
        Action   = "vpc-lattice-svcs:Invoke"
        Resource = "arn:${local.partition}:vpc-lattice:${var.region}:${local.shared}:service/*"
      },
    ])
  })

  provider = aws.analytics
}
