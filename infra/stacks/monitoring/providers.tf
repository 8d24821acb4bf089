locals {
  tags = {
    Project     = "minilab"
    Environment = var.environment
    Stack       = "monitoring"
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
    session_name = "terraform-monitoring"
  }

  default_tags {
    tags = merge(local.tags, { Owner = "platform" })
  }
}

provider "aws" {
  alias  = "team_a"
  region = var.region

  assume_role {
    role_arn     = local.role_arns["team-a"]
    session_name = "terraform-monitoring"
  }

  default_tags {
    tags = merge(local.tags, { Owner = "team-a" })
  }
}

provider "aws" {
  alias  = "team_b"
  region = var.region

  assume_role {
    role_arn     = local.role_arns["team-b"]
    session_name = "terraform-monitoring"
  }

  default_tags {
    tags = merge(local.tags, { Owner = "team-b" })
  }
}
