environment = "prod"
region      = "eu-central-1"
