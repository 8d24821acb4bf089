provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "minilab"
      Environment = var.environment
      Stack       = "organization"
      Owner       = "platform"
      ManagedBy   = "terraform"
    }
  }
}
