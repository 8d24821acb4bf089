deletion_protection = false
throttling          = { rate = 100, burst = 200 }
