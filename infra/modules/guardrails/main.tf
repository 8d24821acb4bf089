data "aws_partition" "current" {}

locals {
  exempt_principals = [
    for name in var.exempt_roles : "arn:${data.aws_partition.current.partition}:iam::*:role/${name}"
  ]
  unless_exempt = { ArnNotLike = { "aws:PrincipalArn" = local.exempt_principals } }

  # These have one endpoint for the whole world, in a region that need not be on the list.
  global_actions = [
    "account:*",
    "billing:*",
    "budgets:*",
    "ce:*",
    "cur:*",
    "freetier:*",
    "health:*",
    "iam:*",
    "invoicing:*",
    "organizations:*",
    "payments:*",
    "pricing:*",
    "route53:*",
    "s3:GetAccountPublicAccessBlock",
    "s3:ListAllMyBuckets",
    "s3:PutAccountPublicAccessBlock",
    "sts:*",
    "support:*",
    "tax:*",
    "trustedadvisor:*",
  ]

  # An organization's root takes five policies, and FullAWSAccess is one: hence four, by purpose.
  statements = {
    regions = [
      {
        Sid       = "OnlyOurRegions"
        Effect    = "Deny"
        NotAction = local.global_actions
        Resource  = "*"
        Condition = { StringNotEquals = { "aws:RequestedRegion" = var.allowed_regions } }
      },
    ]

    accountability = [
      {
        Sid      = "NoLeaving"
        Effect   = "Deny"
        Action   = ["account:CloseAccount", "organizations:LeaveOrganization"]
        Resource = "*"
      },
      {
        Sid       = "NoRootUser"
        Effect    = "Deny"
        Action    = "*"
        Resource  = "*"
        Condition = { ArnLike = { "aws:PrincipalArn" = "arn:${data.aws_partition.current.partition}:iam::*:root" } }
      },
      {
        Sid    = "NoBlinding"
        Effect = "Deny"
        Action = [
          "access-analyzer:DeleteAnalyzer",
          "cloudtrail:DeleteTrail",
          "cloudtrail:PutEventSelectors",
          "cloudtrail:StopLogging",
          "cloudtrail:UpdateTrail",
          "config:DeleteConfigRule",
          "config:DeleteConfigurationRecorder",
          "config:DeleteDeliveryChannel",
          "config:StopConfigurationRecorder",
          "guardduty:CreateFilter",
          "guardduty:CreateIPSet",
          "guardduty:DeleteDetector",
          "guardduty:DeleteMembers",
          "guardduty:DisassociateFromAdministratorAccount",
          "guardduty:DisassociateFromMasterAccount",
          "guardduty:DisassociateMembers",
          "guardduty:StopMonitoringMembers",
          "guardduty:UpdateDetector",
          "s3:BypassGovernanceRetention",
          "securityhub:DisableSecurityHub",
          "securityhub:DisassociateFromAdministratorAccount",
        ]
        Resource = "*"
      },
      {
        Sid       = "FlowLogsStay"
        Effect    = "Deny"
        Action    = "ec2:DeleteFlowLogs"
        Resource  = "*"
        Condition = local.unless_exempt
      },
    ]

    no-public-data = [
      {
        Sid    = "PublicAccessBlocksStay"
        Effect = "Deny"
        Action = [
          "ec2:DisableEbsEncryptionByDefault",
          "ec2:DisableImageBlockPublicAccess",
          "ec2:DisableSnapshotBlockPublicAccess",
          "s3:PutAccountPublicAccessBlock",
          "s3:PutBucketPublicAccessBlock",
        ]
        Resource  = "*"
        Condition = local.unless_exempt
      },
      {
        Sid    = "NoPublicAcls"
        Effect = "Deny"
        Action = [
          "s3:CreateBucket",
          "s3:PutBucketAcl",
          "s3:PutObject",
          "s3:PutObjectAcl",
        ]
        Resource = "*"
        Condition = {
          StringEquals = { "s3:x-amz-acl" = ["authenticated-read", "public-read", "public-read-write"] }
        }
      },
      {
        Sid      = "NoPublicSnapshots"
        Effect   = "Deny"
        Action   = "ec2:ModifySnapshotAttribute"
        Resource = "*"
        Condition = {
          StringEquals = { "ec2:Add/group" = "all" }
        }
      },
    ]

    isolated-networks = [
      {
        Sid    = "OnlyLatticeBetweenTeams"
        Effect = "Deny"
        Action = [
          "ec2:AcceptTransitGatewayVpcAttachment",
          "ec2:AcceptVpcPeeringConnection",
          "ec2:CreateTransitGateway",
          "ec2:CreateTransitGatewayVpcAttachment",
          "ec2:CreateVpcPeeringConnection",
          "ec2:CreateVpnConnection",
          "ec2:CreateVpnGateway",
          "globalaccelerator:CreateAccelerator",
        ]
        Resource = "*"
      },
      {
        Sid    = "NoWayToTheInternet"
        Effect = "Deny"
        Action = [
          "ec2:AllocateAddress",
          "ec2:AssociateAddress",
          "ec2:AttachInternetGateway",
          "ec2:CreateDefaultSubnet",
          "ec2:CreateDefaultVpc",
          "ec2:CreateEgressOnlyInternetGateway",
          "ec2:CreateInternetGateway",
          "ec2:CreateNatGateway",
        ]
        Resource = "*"
      },
      {
        Sid       = "VpcBlockPublicAccessStays"
        Effect    = "Deny"
        Action    = ["ec2:CreateVpcBlockPublicAccessExclusion", "ec2:ModifyVpcBlockPublicAccessOptions"]
        Resource  = "*"
        Condition = local.unless_exempt
      },
    ]
  }

  descriptions = {
    regions           = "Only the regions of the allow-list; services with one global endpoint excepted."
    accountability    = "No leaving, no root user, no switching off of what watches."
    no-public-data    = "Nothing stored can be made public."
    isolated-networks = "No way between teams but VPC Lattice, and none to the internet."
  }

  policies = {
    for name, statements in local.statements : name => jsonencode({ Version = "2012-10-17", Statement = statements })
  }
}

resource "aws_organizations_policy" "this" {
  for_each = local.policies

  name        = "minilab-${each.key}"
  description = local.descriptions[each.key]
  type        = "SERVICE_CONTROL_POLICY"
  content     = each.value

  lifecycle {
    precondition {
      condition     = length(each.value) <= 5120
      error_message = "A service control policy has at most 5,120 characters; ${each.key} has ${length(each.value)}."
    }
  }

  # AWS knows no policy before there is an organization, of which the target is a part.
  depends_on = [var.target_id]
}

resource "aws_organizations_policy_attachment" "this" {
  for_each = aws_organizations_policy.this

  policy_id = each.value.id
  target_id = var.target_id
}
