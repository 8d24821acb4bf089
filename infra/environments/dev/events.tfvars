maximum_concurrency = 5
