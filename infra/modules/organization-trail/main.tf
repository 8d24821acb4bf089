resource "aws_cloudwatch_log_group" "this" {
  name              = "/minilab/${var.name}/trail"
  retention_in_days = 365
  kms_key_id        = var.log_group_kms_key_arn
}

resource "aws_iam_role" "to_log_group" {
  name        = "${var.name}-trail-to-log-group"
  description = "CloudTrail copies its events to the log group that the alarms read."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OurTrail"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:SourceArn" = var.trail_arn } }
      }
    ]
  })
}

resource "aws_iam_role_policy" "to_log_group" {
  name = "write"
  role = aws_iam_role.to_log_group.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Write"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:log-stream:*"
      }
    ]
  })
}

resource "aws_cloudtrail" "this" {
  # checkov:skip=CKV_AWS_252: people are told by the alarms on the log group; a message per log file tells nobody anything

  name                          = split("/", var.trail_arn)[1]
  s3_bucket_name                = var.bucket_name
  kms_key_id                    = var.kms_key_arn
  is_organization_trail         = true
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  cloud_watch_logs_group_arn    = "${aws_cloudwatch_log_group.this.arn}:*"
  cloud_watch_logs_role_arn     = aws_iam_role.to_log_group.arn

  depends_on = [aws_iam_role_policy.to_log_group]
}
