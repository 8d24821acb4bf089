maximum_concurrency = 100
kafka               = true
