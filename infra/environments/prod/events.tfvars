maximum_concurrency = 100
