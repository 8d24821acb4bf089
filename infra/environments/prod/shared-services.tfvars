deletion_protection = true
kafka               = { instance_type = "kafka.m7g.large", storage_gb = 1000 }
