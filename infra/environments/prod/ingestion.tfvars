deletion_protection = true
throttling          = { rate = 2000, burst = 4000 }
