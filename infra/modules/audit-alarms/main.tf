locals {
  # Listed, because a pattern takes a wildcard at a word's ends only.
  iam_policy_events = [
    "AttachGroupPolicy",
    "AttachRolePolicy",
    "AttachUserPolicy",
    "CreatePolicy",
    "CreatePolicyVersion",
    "DeleteGroupPolicy",
    "DeletePolicy",
    "DeletePolicyVersion",
    "DeleteRolePolicy",
    "DeleteUserPolicy",
    "DetachGroupPolicy",
    "DetachRolePolicy",
    "DetachUserPolicy",
    "PutGroupPolicy",
    "PutRolePolicy",
    "PutUserPolicy",
  ]

  # What to be told of at once. The conditions are those of the CIS AWS Foundations Benchmark, 4.1
  # to 4.15, and one for the organization's own isolation.
  events = {
    root-use = {
      description = "The root user did something."
      pattern     = "{ ($.userIdentity.type = \"Root\") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != \"AwsServiceEvent\") }"
    }
    unauthorised-calls = {
      description = "Calls were denied."
      pattern     = "{ ($.errorCode = \"*UnauthorizedOperation\") || ($.errorCode = \"AccessDenied*\") }"
      threshold   = 10
    }
    sign-in-without-mfa = {
      description = "Someone signed in to the console without a second factor."
      pattern     = "{ ($.eventName = \"ConsoleLogin\") && ($.additionalEventData.MFAUsed != \"Yes\") && ($.userIdentity.type = \"IAMUser\") && ($.responseElements.ConsoleLogin = \"Success\") }"
    }
    sign-in-failures = {
      description = "Signing in to the console failed several times."
      pattern     = "{ ($.eventName = \"ConsoleLogin\") && ($.errorMessage = \"Failed authentication\") }"
      threshold   = 5
    }
    iam-policy-changes = {
      description = "An IAM policy was changed, attached or removed."
      pattern     = "{ ${join(" || ", [for name in local.iam_policy_events : "($.eventName = \"${name}\")"])} }"
    }
    trail-changes = {
      description = "CloudTrail was changed or stopped."
      pattern     = "{ ($.eventSource = \"cloudtrail.amazonaws.com\") && (($.eventName = \"*Trail\") || ($.eventName = \"StopLogging\") || ($.eventName = \"PutEventSelectors\")) && ($.readOnly IS FALSE) }"
    }
    config-changes = {
      description = "AWS Config was changed or stopped."
      pattern     = "{ ($.eventSource = \"config.amazonaws.com\") && (($.eventName = \"StopConfigurationRecorder\") || ($.eventName = \"DeleteDeliveryChannel\") || ($.eventName = \"PutDeliveryChannel\") || ($.eventName = \"PutConfigurationRecorder\")) }"
    }
    key-removal = {
      description = "A KMS key was disabled or is to be deleted."
      pattern     = "{ ($.eventSource = \"kms.amazonaws.com\") && (($.eventName = \"DisableKey\") || ($.eventName = \"ScheduleKeyDeletion\")) }"
    }
    bucket-policy-changes = {
      description = "Who may use a bucket was changed."
      pattern     = "{ ($.eventSource = \"s3.amazonaws.com\") && (($.eventName = \"PutBucketAcl\") || ($.eventName = \"PutBucketPolicy\") || ($.eventName = \"DeleteBucketPolicy\") || ($.eventName = \"PutBucketPublicAccessBlock\") || ($.eventName = \"PutAccountPublicAccessBlock\") || ($.eventName = \"PutBucketCors\") || ($.eventName = \"PutBucketReplication\") || ($.eventName = \"PutBucketLifecycle\")) }"
    }
    security-group-changes = {
      description = "A security group was changed."
      pattern     = "{ ($.eventName = \"*SecurityGroup*\") && ($.readOnly IS FALSE) }"
    }
    network-acl-changes = {
      description = "A network ACL was changed."
      pattern     = "{ ($.eventName = \"*NetworkAcl*\") && ($.readOnly IS FALSE) }"
    }
    gateway-changes = {
      description = "A gateway was made, attached or removed."
      pattern     = "{ (($.eventName = \"*InternetGateway\") || ($.eventName = \"*NatGateway\") || ($.eventName = \"*TransitGateway*\") || ($.eventName = \"*CustomerGateway\") || ($.eventName = \"*VpnGateway\")) && ($.readOnly IS FALSE) }"
    }
    route-changes = {
      description = "A route or route table was changed."
      pattern     = "{ ($.eventSource = \"ec2.amazonaws.com\") && (($.eventName = \"*Route\") || ($.eventName = \"*RouteTable*\")) && ($.readOnly IS FALSE) }"
    }
    vpc-changes = {
      description = "A VPC or a peering was changed."
      pattern     = "{ (($.eventName = \"*Vpc\") || ($.eventName = \"*VpcPeeringConnection*\") || ($.eventName = \"*VpcAttribute\") || ($.eventName = \"*VpcBlockPublicAccess*\")) && ($.readOnly IS FALSE) }"
    }
    organization-changes = {
      description = "The organization, its units, accounts or policies were changed."
      pattern     = "{ ($.eventSource = \"organizations.amazonaws.com\") && ($.readOnly IS FALSE) }"
    }
    lattice-policy-changes = {
      description = "Who may call what between teams was changed."
      pattern     = "{ ($.eventSource = \"vpc-lattice.amazonaws.com\") && (($.eventName = \"*AuthPolicy\") || ($.eventName = \"*Association\") || ($.eventName = \"*ResourcePolicy\")) && ($.readOnly IS FALSE) }"
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.events

  name           = "${var.name}-${each.key}"
  log_group_name = var.log_group_name
  pattern        = each.value.pattern

  metric_transformation {
    namespace = "Minilab/Audit"
    name      = each.key
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.events

  alarm_name          = "${var.name}-audit-${each.key}"
  alarm_description   = "${each.value.description} Look in CloudTrail, or in log group ${var.log_group_name}."
  namespace           = "Minilab/Audit"
  metric_name         = each.key
  statistic           = "Sum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = try(each.value.threshold, 1)
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.topic.arn]

  lifecycle {
    precondition {
      condition     = length(each.value.pattern) <= 1024
      error_message = "A filter pattern has at most 1,024 characters."
    }
  }

  depends_on = [aws_cloudwatch_log_metric_filter.this]
}

module "topic" {
  source = "../alert-topic"

  name        = "${var.name}-audit"
  kms_key_arn = var.kms_key_arn
  emails      = var.emails
}
