output "environment" {
  description = "What programs in shared-services are told besides what that stack outputs (minilab.settings)."
  value = {
    MINILAB_DATABASE_PREFIX  = var.database_prefix
    MINILAB_ATHENA_WORKGROUP = module.workgroup.name
  }
}

output "analysts" {
  description = "How an analyst asks: role to assume, workgroup, and the catalog's name in a query."
  value = {
    role_arn  = aws_iam_role.analyst.arn
    workgroup = module.analysts.name
    catalog   = aws_athena_data_catalog.lake.name
  }
}
