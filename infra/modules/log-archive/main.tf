data "aws_partition" "current" {}

locals {
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket_name}"
}

module "key" {
  source = "../kms-key"

  name        = "${var.name}-log-archive"
  description = "The organization's audit log."

  services = {
    CloudTrailEncrypts = {
      principal = "cloudtrail.amazonaws.com"
      actions   = ["kms:DescribeKey", "kms:GenerateDataKey*"]
      conditions = {
        StringEquals = { "aws:SourceArn" = [var.trail_arn] }
      }
    }
  }
}

module "bucket" {
  source = "../private-bucket"

  name               = var.bucket_name
  kms_key_arn        = module.key.arn
  object_lock        = { mode = var.lock_mode, days = var.lock_days }
  archive_after_days = var.archive_after_days
  expire_after_days  = var.expire_after_days

  extra_statements = jsonencode([
    {
      Sid       = "CloudTrailLooks"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:GetBucketAcl"
      Resource  = local.bucket_arn
      Condition = { StringEquals = { "aws:SourceArn" = var.trail_arn } }
    },
    {
      Sid       = "CloudTrailWrites"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource = [
        "${local.bucket_arn}/AWSLogs/${split(":", var.trail_arn)[4]}/*",
        "${local.bucket_arn}/AWSLogs/${var.organization_id}/*",
      ]
      Condition = {
        StringEquals = {
          "aws:SourceArn" = var.trail_arn
          "s3:x-amz-acl"  = "bucket-owner-full-control"
        }
      }
    },
  ])
}
