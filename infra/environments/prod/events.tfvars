runs_on             = "lambda"
maximum_concurrency = 100
kafka               = true
