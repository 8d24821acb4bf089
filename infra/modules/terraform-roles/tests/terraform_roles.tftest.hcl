mock_provider "aws" {
  source = "../../mocks"
}

variables {
  plan_trust_policy    = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::111111111111:root" }, Action = "sts:AssumeRole" }] })
  apply_trust_policy   = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::111111111111:root" }, Action = "sts:AssumeRole", Condition = { StringEquals = { "aws:PrincipalOrgID" = "o-a1b2c3d4e5" } } }] })
  readable_object_arns = ["arn:aws:s3:::minilab-dev-terraform-111111111111/*"]
}

run "plan_reads_settings_and_no_data" {
  command = plan

  assert {
    condition     = aws_iam_role_policy_attachment.plan_reads_settings.policy_arn == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    error_message = "The plan role has another policy."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.plan_reads_no_data.policy).Statement : statement.Effect == "Deny"])
    error_message = "The plan role is allowed something by the policy that denies."
  }

  assert {
    condition     = contains(jsondecode(aws_iam_role_policy.plan_reads_no_data.policy).Statement[0].Action, "secretsmanager:GetSecretValue")
    error_message = "The plan role reads secrets."
  }

  assert {
    condition     = tolist(jsondecode(aws_iam_role_policy.plan_reads_no_data.policy).Statement[1].NotResource) == var.readable_object_arns
    error_message = "The plan role reads other objects than the state."
  }
}

run "apply_without_a_condition_is_refused" {
  command = plan

  variables {
    apply_trust_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = "*", Action = "sts:AssumeRole" }] })
  }

  expect_failures = [var.apply_trust_policy]
}

run "what_is_no_policy_is_refused" {
  command = plan

  variables {
    plan_trust_policy = "arn:aws:iam::111111111111:root"
  }

  expect_failures = [var.plan_trust_policy]
}

run "every_object_is_refused" {
  command = plan

  variables {
    readable_object_arns = ["*"]
  }

  expect_failures = [var.readable_object_arns]
}
