locals {
  tags = {
    Project     = "minilab"
    Environment = var.environment
    Stack       = "orchestration"
    ManagedBy   = "terraform"
  }
}

# The management account. Everything else is reached by assuming a role from here.
provider "aws" {
  region = var.region

  default_tags {
    tags = merge(local.tags, { Owner = "platform" })
  }
}

provider "aws" {
  alias  = "shared_services"
  region = var.region

  assume_role {
    role_arn     = local.role_arns["shared-services"]
    session_name = "terraform-orchestration"
  }

  default_tags {
    tags = merge(local.tags, { Owner = "platform" })
  }
}
