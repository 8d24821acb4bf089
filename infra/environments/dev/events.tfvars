runs_on             = "lambda"
maximum_concurrency = 5
kafka               = true
