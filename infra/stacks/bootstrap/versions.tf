terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # The bucket is made by this very stack: README.md says how its own state gets there.
  backend "s3" {}
}
