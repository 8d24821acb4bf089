maximum_concurrency = 5
kafka               = true
