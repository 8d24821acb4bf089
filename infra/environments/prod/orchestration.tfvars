database            = { instance_class = "db.t4g.medium", multi_az = true, backup_days = 14 }
deletion_protection = true
kafka               = true
