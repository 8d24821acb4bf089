database            = { instance_class = "db.t4g.micro", multi_az = false, backup_days = 1 }
deletion_protection = false
kafka               = true
