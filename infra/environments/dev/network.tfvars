vpcs = {
  shared-services = {
    cidr                = "10.32.0.0/20"
    interface_endpoints = ["ec2", "ecr.api", "ecr.dkr", "ecs", "glue", "kms", "logs", "monitoring", "secretsmanager", "sns", "sqs", "sts", "athena"]
  }
  analytics = {
    cidr                = "10.32.16.0/20"
    interface_endpoints = ["athena", "glue", "kms", "logs", "sts"]
  }
  team-a = {
    cidr                = "10.32.32.0/20"
    interface_endpoints = ["kms", "logs", "sqs", "sts"]
  }
  team-b = {
    cidr                = "10.32.48.0/20"
    interface_endpoints = ["ecr.api", "ecr.dkr", "kms", "logs", "sqs", "sts"]
  }
}

# All that crosses from one team to another.
services = {
  # Producers outside team A's account send events.
  ingest = {
    owner  = "team-a"
    target = { type = "LAMBDA" }
    rules  = { events = { priority = 10, method = "POST", path_prefix = "/v1/events" } }
    callers = {
      team-b = { roles = ["minilab-dev-processor*"], methods = ["POST"], paths = ["/v1/events"] }
    }
  }

  # Dagster's pages and API, for whoever owns a part of the pipeline.
  dagster = {
    owner  = "shared-services"
    target = { type = "IP", port = 3000, protocol = "HTTP", health_path = "/server_info" }
    rules = {
      pages = { priority = 20, method = "GET", path_prefix = "/" }
      api   = { priority = 10, method = "POST", path_prefix = "/graphql" }
    }
    callers = {
      analytics = { roles = ["minilab-dev-analyst*"], methods = ["GET", "POST"], paths = ["/"] }
      team-a    = { roles = ["minilab-dev-ingest*"], methods = ["GET"], paths = ["/server_info"] }
    }
  }
}
