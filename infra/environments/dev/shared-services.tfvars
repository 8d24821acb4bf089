deletion_protection = false
kafka               = { instance_type = "kafka.m7g.large", storage_gb = 100 }
