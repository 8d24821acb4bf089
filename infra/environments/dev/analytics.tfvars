gigabytes_per_query    = 100
gigabytes_per_question = 10
