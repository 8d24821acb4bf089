output "terraform_role_arns" {
  description = "ARNs of the roles to plan and to apply with; null where they are not made."
  value = var.terraform_roles ? {
    plan  = module.terraform_roles[0].plan_role.arn
    apply = module.terraform_roles[0].apply_role.arn
  } : null
}
