dagster_runs       = false # until orchestration.tfvars names an image
kafka_cluster_name = "minilab-dev"

emails = {
  platform = ["platform@example.com"]
  team-a   = ["team-a@example.com"]
  team-b   = ["team-b@example.com"]
}

monthly_budget_usd = 500

processor_runs_on = "lambda" # as in events.tfvars
