gigabytes_per_query    = 1000
gigabytes_per_question = 100
